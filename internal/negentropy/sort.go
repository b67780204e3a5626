package negentropy

import "slices"

// fewKeys are sorted by comparing; more are first dealt out by a byte.
const fewKeys = 64

// sortKeys sorts keys that agree in their first `from` bytes: in place, by one byte after the other. Times differ in
// three or four bytes, so a million items take as many passes, and a sort by comparison takes twenty.
func sortKeys(keys []key, from int) {
	for ; len(keys) > fewKeys && from < len(key{}); from++ {
		var count [256]int
		for i := range keys {
			count[keys[i][from]]++
		}
		if count[keys[0][from]] == len(keys) {
			continue // all the same: on to the next byte
		}
		var next, end [256]int
		at := 0
		for b, n := range count {
			next[b] = at
			at += n
			end[b] = at
		}
		for b := range count {
			for next[b] < end[b] {
				k := &keys[next[b]]
				to := k[from]
				if int(to) == b {
					next[b]++
					continue
				}
				*k, keys[next[to]] = keys[next[to]], *k
				next[to]++
			}
		}
		at = 0
		for _, n := range count {
			sortKeys(keys[at:at+n], from+1)
			at += n
		}
		return
	}
	slices.SortFunc(keys, func(a, b key) int { return a.compare(&b) })
}
