package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
)

// figure is one measured quantity, with a value for each run.
type figure struct {
	Scenario string    `json:"scenario"`
	What     string    `json:"what"`
	Unit     string    `json:"unit"`
	Values   []float64 `json:"values"`
	Median   float64   `json:"median"`
	Must     *must     `json:"must,omitempty"`
	Missed   bool      `json:"missed,omitempty"` // by the median
}

// must is what a figure is to reach.
type must struct {
	AtLeast bool    `json:"at_least"` // else at most
	Limit   float64 `json:"limit"`
}

func atLeast(limit float64) *must { return &must{AtLeast: true, Limit: limit} }
func atMost(limit float64) *must  { return &must{Limit: limit} }

func (m *must) holds(v float64) bool {
	if m.AtLeast {
		return v >= m.Limit
	}
	return v <= m.Limit
}

// String is the column of the table.
func (m *must) String() string {
	switch {
	case m == nil:
		return ""
	case m.AtLeast:
		return ">= " + short(m.Limit)
	}
	return "<= " + short(m.Limit)
}

// figures gathers the values of several runs, in the order in which they first came.
type figures []*figure

// add takes the value of one run.
func (fs *figures) add(scenario, what, unit string, value float64, m *must) {
	for _, f := range *fs {
		if f.Scenario == scenario && f.What == what {
			f.Values = append(f.Values, value)
			f.settle()
			return
		}
	}
	f := &figure{Scenario: scenario, What: what, Unit: unit, Values: []float64{value}, Must: m}
	f.settle()
	*fs = append(*fs, f)
}

func (f *figure) settle() {
	f.Median = median(f.Values)
	f.Missed = f.Must != nil && !f.Must.holds(f.Median)
}

// missed reports whether any figure is not what it must be.
func (fs figures) missed() bool {
	return slices.ContainsFunc(fs, func(f *figure) bool { return f.Missed })
}

func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

// short writes three or four significant digits.
func short(v float64) string {
	switch {
	case v >= 100 || v <= -100 || v == float64(int64(v)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10 || v <= -10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// writeTable prints the figures for people.
func (fs figures) writeTable(w io.Writer, m machine) error {
	tags := "pure Go"
	if m.Tags != "" {
		tags = "-tags " + m.Tags
	}
	fmt.Fprintf(w, "%s, %d cores, %d MiB, %s, %s, load %s\none signature check: %s µs of a core; built %s\n\n",
		m.CPU, m.Cores, m.Memory>>20, m.Kernel, m.Go, m.Load, short(m.Verify), tags)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "scenario\twhat\tmedian\tlowest\thighest\tunit\tmust\t")
	for _, f := range fs {
		verdict := ""
		if f.Missed {
			verdict = "missed"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", f.Scenario, f.What, short(f.Median),
			short(slices.Min(f.Values)), short(slices.Max(f.Values)), f.Unit, f.Must, verdict)
	}
	return tw.Flush()
}

// writeJSON prints the figures for machines.
func (fs figures) writeJSON(w io.Writer, m machine) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Machine machine `json:"machine"`
		Figures figures `json:"figures"`
	}{m, fs})
}
