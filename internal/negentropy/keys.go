package negentropy

import "slices"

const (
	blockBits = 13
	blockKeys = 1 << blockBits // some 330 kB
)

// keys is a list that grows without being copied: a million items would be there twice for a moment. All blocks but the last
// are full.
type keys struct {
	blocks [][]key
	n      int
}

func (k *keys) at(i int) *key { return &k.blocks[i>>blockBits][i&(blockKeys-1)] }

func (k *keys) add(x key) {
	last := k.n >> blockBits
	if last == len(k.blocks) {
		var block []key // the first grows as a slice does: most lists are short
		if last > 0 {
			block = make([]key, 0, blockKeys)
		}
		k.blocks = append(k.blocks, block)
	}
	k.blocks[last] = append(k.blocks[last], x)
	k.n++
}

// compact drops all but one of equal neighbours.
func (k *keys) compact() {
	if k.n == 0 {
		return
	}
	kept := 1
	for i := 1; i < k.n; i++ {
		if x := k.at(i); *x != *k.at(kept - 1) {
			*k.at(kept) = *x
			kept++
		}
	}
	last := (kept - 1) >> blockBits
	clear(k.blocks[last+1:])
	k.blocks, k.n = k.blocks[:last+1], kept
	k.blocks[last] = k.blocks[last][:kept-last<<blockBits]
}

// fewKeys are sorted by comparing; more are first dealt out by a byte.
const fewKeys = 64

// sort orders the keys [lo, hi), which agree in their first `from` bytes: in place, by one byte after the other. Times
// differ in three or four bytes, so a million items take as many passes, and a sort by comparison takes twenty.
func (k *keys) sort(lo, hi, from int) {
	for ; hi-lo > fewKeys && from < len(key{}); from++ {
		var count [256]int
		for i := lo; i < hi; i++ {
			count[k.at(i)[from]]++
		}
		if count[k.at(lo)[from]] == hi-lo {
			continue // all the same: on to the next byte
		}
		var next, end [256]int
		at := lo
		for b, n := range count {
			next[b] = at
			at += n
			end[b] = at
		}
		for b := range count {
			for next[b] < end[b] {
				x := k.at(next[b])
				to := x[from]
				if int(to) == b {
					next[b]++
					continue
				}
				y := k.at(next[to])
				*x, *y = *y, *x
				next[to]++
			}
		}
		at = lo
		for _, n := range count {
			k.sort(at, at+n, from+1)
			at += n
		}
		return
	}
	if from < len(key{}) {
		k.sortFew(lo, hi)
	}
}

func (k *keys) sortFew(lo, hi int) {
	few := make([]key, 0, fewKeys)
	for i := lo; i < hi; i++ {
		few = append(few, *k.at(i))
	}
	slices.SortFunc(few, func(a, b key) int { return a.compare(&b) })
	for i, x := range few {
		*k.at(lo + i) = x
	}
}
