// Package health decides when to dial. It is pure: causes are typed where they occur, and every
// function takes now (DESIGN §8).
package health
