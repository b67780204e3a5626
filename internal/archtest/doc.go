// Package archtest tests the tree itself: which way imports point, how long files are, what never
// stands in the code, and that the documents name files that exist. It holds tests only and reads
// sources as text, so it also sees files that this platform's build leaves out.
//
// Every rule carries its reason. Who breaks one for a good reason changes the table here, in the same
// commit, with the new reason; a decision that is hard to reverse also gets a page in docs/decisions.
package archtest
