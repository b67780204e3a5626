package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	shortLength = 32  // runes of a word
	longLength  = 300 // runes of a sentence or a title
)

func short(s string) string { return cut(s, shortLength) }
func long(s string) string  { return cut(s, longLength) }

// cut gives at most n runes of a text in which nothing is invisible or changes direction: html/template escapes markup, not
// those.
func cut(s string, n int) string {
	var b strings.Builder
	for _, r := range s {
		if n == 0 {
			b.WriteRune('…')
			break
		}
		n--
		if !unicode.IsGraphic(r) {
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
	}
	return b.String()
}

// count separates thousands.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// span is a duration in its two largest units: "3d 4h", "2m 5s".
func span(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	days, hours, minutes := int(d/(24*time.Hour)), int(d/time.Hour)%24, int(d/time.Minute)%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd %dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh %dm", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm %ds", minutes, int(d/time.Second)%60)
	}
	return fmt.Sprintf("%ds", int(d/time.Second))
}

// brief is a duration in its largest unit.
func brief(d time.Duration) string {
	first, _, _ := strings.Cut(span(d), " ")
	return first
}

// terse is a duration in at most two units, without a second one that is zero: "5 min", "1 h 10 min".
func terse(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	hours, minutes, seconds := int(d/time.Hour), int(d/time.Minute)%60, int(d/time.Second)%60
	var parts []string
	if hours > 0 {
		parts = append(parts, fmt.Sprintf("%d h", hours))
	}
	if minutes > 0 {
		parts = append(parts, fmt.Sprintf("%d min", minutes))
	}
	if hours == 0 && (seconds > 0 || minutes == 0) {
		parts = append(parts, fmt.Sprintf("%d s", seconds))
	}
	return strings.Join(parts, " ")
}

func ago(t, now time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	return moment{Text: brief(now.Sub(t)) + " ago", Exact: exact(t)}
}

// ahead is empty for what is not in the future.
func ahead(t, now time.Time) moment {
	if !t.After(now) {
		return moment{}
	}
	return moment{Text: "in " + brief(t.Sub(now)), Exact: exact(t)}
}

func exact(t time.Time) string { return t.UTC().Format(time.DateTime) + " UTC" }
