package config

import (
	"errors"
	"strconv"
	"strings"
)

// Size is a number of bytes, 0 to 1 TiB.
type Size int64

// Units of a Size. Decimal units are refused: nobody means 1,000,000 by 1M everywhere.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

const maxSize = 1 << 10 * GiB

var sizeUnits = []struct {
	suffix string
	size   Size
}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"", 1}}

// parseSize reads a whole number with KiB, MiB or GiB, or without a unit for bytes.
func parseSize(s string) (Size, error) {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil {
			return 0, errors.New("not a size")
		}
		if n < 0 {
			return 0, errors.New("negative")
		}
		if n > int64(maxSize/u.size) {
			return 0, errors.New("too large")
		}
		return Size(n) * u.size, nil
	}
	panic("config: the unit of bytes has an empty suffix")
}

// String uses the largest unit that leaves a whole number.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.suffix
		}
	}
	return "0"
}
