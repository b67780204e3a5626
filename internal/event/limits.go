package event

// Limits bounds what Parse accepts from a stranger. A field that is zero or less takes its default.
type Limits struct {
	Bytes    int // of the whole JSON text
	Tags     int // tags of one event
	TagBytes int // of the decoded elements of one tag together
	Elements int // elements of all tags together
}

// DefaultLimits are the numbers of DESIGN §6 and §10: 1 MiB, 2,000 tags, and within those 128 KiB for one tag
// (a zap receipt carries a whole event in its description tag) and 20,000 elements in all.
func DefaultLimits() Limits {
	return Limits{Bytes: 1 << 20, Tags: 2000, TagBytes: 128 << 10, Elements: 20000}
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	if l.Bytes <= 0 {
		l.Bytes = d.Bytes
	}
	if l.Tags <= 0 {
		l.Tags = d.Tags
	}
	if l.TagBytes <= 0 {
		l.TagBytes = d.TagBytes
	}
	if l.Elements <= 0 {
		l.Elements = d.Elements
	}
	return l
}
