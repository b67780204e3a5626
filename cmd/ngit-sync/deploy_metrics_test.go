package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// deployed gives the text of a file of the reference deployment.
func deployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", name))
	require.NoError(t, err)
	return string(text)
}

// catalogue is what Prometheus has of a daemon: the labels of each metric, and the values of those labels that have series from the
// start, which is where values are a fixed set.
type catalogue struct {
	labels map[string][]string
	values map[string][]string // by metric{label}
}

// readCatalogue has what the daemon exports, and what Prometheus makes itself.
func readCatalogue(t *testing.T) catalogue {
	exported := exportedMetrics(t)
	exported.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	c := catalogue{labels: map[string][]string{"up": {}, "ALERTS": {"alertname", "alertstate"}}, values: map[string][]string{}}
	for _, entry := range exported.list {
		name, labels, _ := strings.Cut(strings.TrimSuffix(entry, "}"), "{")
		c.labels[name] = nil
		if labels != "" {
			c.labels[name] = strings.Split(labels, ",")
		}
	}
	families, err := exported.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetType().String() == "HISTOGRAM" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				c.labels[f.GetName()+suffix] = append([]string{"le"}, c.labels[f.GetName()]...)
			}
			delete(c.labels, f.GetName())
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				key := f.GetName() + "{" + l.GetName() + "}"
				c.values[key] = append(c.values[key], l.GetValue())
			}
		}
	}
	return c
}

var (
	promText     = regexp.MustCompile(`"[^"]*"`)
	promSelector = regexp.MustCompile(`([a-zA-Z_]\w*)?\{([^}]*)\}`)
	promMatcher  = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	promGroup    = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	promRange    = regexp.MustCompile(`\[[^\]]*\]`)
	promWord     = regexp.MustCompile(`[a-zA-Z_]\w*\s*\(?`)
	legendLabel  = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)
)

// faults lists the metrics, labels and values of an expression that nobody exports; legend is text with {{label}} in it.
func (c catalogue) faults(expr, legend string) []string {
	var faults []string
	have := []string{"job", "instance"}
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)+" in "+expr) }

	bare := promRange.ReplaceAllString(promGroup.ReplaceAllString(promSelector.ReplaceAllString(promText.ReplaceAllString(expr, `""`), "$1 "), " "), " ")
	for _, word := range promWord.FindAllString(bare, -1) {
		if word = strings.TrimSpace(word); strings.HasSuffix(word, "(") || slices.Contains([]string{"and", "or", "unless"}, word) {
			continue
		}
		labels, ok := c.labels[word]
		if !ok {
			fault("no metric %s", word)
		}
		have = append(have, labels...)
	}
	for _, sel := range promSelector.FindAllStringSubmatch(expr, -1) {
		for _, m := range promMatcher.FindAllStringSubmatch(sel[2], -1) {
			label, value := m[1], m[3]
			if !slices.Contains(append(c.labels[sel[1]], "job", "instance"), label) {
				fault("%s has no label %s", sel[1], label)
			}
			known := c.values[sel[1]+"{"+label+"}"]
			for v := range strings.SplitSeq(value, "|") {
				if len(known) > 0 && !slices.Contains(known, v) {
					fault("%s: %s is never %q", sel[1], label, v)
				}
			}
		}
	}
	groups := strings.Join(grouped(expr), ",")
	for _, m := range legendLabel.FindAllStringSubmatch(legend, -1) {
		groups += "," + m[1]
	}
	for label := range strings.SplitSeq(groups, ",") {
		if label = strings.TrimSpace(label); label != "" && !slices.Contains(have, label) {
			fault("nothing has a label %s", label)
		}
	}
	return faults
}

func grouped(expr string) []string {
	var out []string
	for _, m := range promGroup.FindAllStringSubmatch(expr, -1) {
		out = append(out, m[1])
	}
	return out
}

func TestExpressionFaultsAreFound(t *testing.T) {
	c := readCatalogue(t)
	for right, legend := range map[string]string{
		`sum by (relay, job) (rate(ngit_sync_events_received_total{mode="live"}[5m])) > 0.2 and on (job) up{job="x"} == 1`: "{{relay}}",
		`histogram_quantile(0.99, sum by (le) (rate(ngit_sync_event_latency_seconds_bucket{instance=~"$instance"}[5m])))`:  "99 %",
		`time() - process_start_time_seconds or vector(0)`:                                                                 "",
	} {
		require.Empty(t, c.faults(right, legend), right)
	}
	for _, wrong := range []string{
		`ngit_sync_gone`, `sum(rate(ngit_sync_event_latency_seconds[5m]))`, `ngit_sync_repos{relay="x"}`, `sum by (relay) (ngit_sync_repos)`,
		`ngit_sync_events_published_total{result="refused"}`, `ngit_sync_events_published_total{result=~"rejected|refused"}`,
	} {
		require.Len(t, c.faults(wrong, ""), 1, wrong)
	}
	require.Len(t, c.faults("ngit_sync_repos", "{{relay}}"), 1)
}

type alertRule struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

func readAlerts(t *testing.T) []alertRule {
	var file struct {
		Groups []struct{ Rules []alertRule }
	}
	require.NoError(t, yaml.Unmarshal([]byte(deployed(t, "deploy/prometheus/alerts.yml")), &file))
	require.Len(t, file.Groups, 1)
	require.NotEmpty(t, file.Groups[0].Rules)
	return file.Groups[0].Rules
}

// Every alert rests on what is exported, says what to do, and has its section and its test.
func TestAlertsAreOfWhatIsExported(t *testing.T) {
	c := readCatalogue(t)
	tests := deployed(t, "deploy/prometheus/alerts.test.yml")
	var names, sections []string
	for _, a := range readAlerts(t) {
		require.NotEmpty(t, a.Expr, a.Alert)
		require.Empty(t, c.faults(a.Expr, ""), a.Alert)
		require.Contains(t, []string{"critical", "warning", "info"}, a.Labels["severity"], a.Alert)
		require.NotEmpty(t, a.Annotations["summary"], a.Alert)
		require.NotEmpty(t, a.Annotations["description"], a.Alert)
		require.Equal(t, "https://github.com/ngit-sync/ngit-sync/blob/main/docs/how-to/alerts.md#"+strings.ToLower(a.Alert), a.Annotations["runbook_url"])
		require.Contains(t, tests, `alertname="`+a.Alert+`"`)
		names = append(names, a.Alert)
	}
	for _, m := range regexp.MustCompile(`(?m)^## (NgitSync\w+)$`).FindAllStringSubmatch(deployed(t, "docs/how-to/alerts.md"), -1) {
		sections = append(sections, m[1])
	}
	require.Equal(t, names, sections)
}

type dashboardPanel struct {
	ID                       int
	Type, Title, Description string
	Datasource               struct{ UID string }
	GridPos                  struct{ H, W, X, Y int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct{ Expr, LegendFormat string }
}

// Every panel asks for what is exported, and says in words and units what it shows.
func TestDashboardShowsWhatIsExported(t *testing.T) {
	var board struct {
		UID, Title string
		Panels     []dashboardPanel
		Templating struct {
			List []struct{ Name, Definition string }
		}
		Annotations struct{ List []struct{ Expr string } }
	}
	require.NoError(t, json.Unmarshal([]byte(deployed(t, "deploy/grafana/dashboards/ngit-sync.json")), &board))
	require.NotEmpty(t, board.Panels)
	require.NotEmpty(t, board.UID)
	c := readCatalogue(t)
	check := func(where, expr, legend string) {
		expr = strings.ReplaceAll(expr, "$__rate_interval", "5m")
		require.NotEmpty(t, expr, where)
		require.Empty(t, c.faults(expr, legend), where)
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range board.Panels {
		require.NotEmpty(t, p.Title)
		require.False(t, ids[p.ID], "%s: id %d is taken", p.Title, p.ID)
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				require.Less(t, at[0], 24, p.Title)
				require.Empty(t, taken[at], "%s covers another panel", p.Title)
				taken[at] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		require.NotEmpty(t, p.Description, p.Title)
		require.NotEmpty(t, p.FieldConfig.Defaults.Unit, p.Title)
		require.Equal(t, "${datasource}", p.Datasource.UID, p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			check(p.Title, target.Expr, target.LegendFormat)
		}
	}
	for _, a := range board.Annotations.List {
		check("annotation", strings.ReplaceAll(a.Expr, "$__interval", "5m"), "")
	}
	labelValues := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	for _, v := range board.Templating.List {
		if m := labelValues.FindStringSubmatch(v.Definition); m != nil {
			check(v.Name, m[1], "{{"+m[2]+"}}")
		}
	}
}
