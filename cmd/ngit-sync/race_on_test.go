//go:build race

package main

// raced says that the race detector watches. Days of virtual time cost it fifteen times as much, so there are fewer of them.
const raced = true
