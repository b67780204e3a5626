package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

// names is a registry that notes what would be exported, series or not: name{labels}.
type names struct {
	*prometheus.Registry
	list []string
}

var fqName = regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)

func (n *names) Register(c prometheus.Collector) error {
	descs := make(chan *prometheus.Desc, 1024)
	c.Describe(descs)
	close(descs)
	for d := range descs {
		m := fqName.FindStringSubmatch(d.String())
		name := m[1]
		if m[2] != "" {
			name += "{" + m[2] + "}"
		}
		n.list = append(n.list, name)
	}
	return n.Registry.Register(c)
}

func (n *names) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := n.Register(c); err != nil {
			panic(err)
		}
	}
}

// exportedMetrics registers all that a daemon of ours exports.
func exportedMetrics(t *testing.T) *names {
	exported := &names{Registry: prometheus.NewRegistry()}
	exported.MustRegister(buildInfoMetric(), new(daemon).reloadMetric())
	sync.NewMetrics(exported)
	relay.NewMetrics(exported)
	relay.NewPublisherMetrics(exported)
	st, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"), store.Options{Registerer: exported})
	require.NoError(t, err)
	require.NoError(t, st.Close(t.Context()))
	slices.Sort(exported.list)
	exported.list = slices.Compact(exported.list) // connections and publisher share one
	return exported
}

// docs/reference/metrics.md lists every metric with its labels, and none that does not exist.
func TestMetricsAreDocumented(t *testing.T) {
	exported := exportedMetrics(t)
	doc, err := os.ReadFile("../../docs/reference/metrics.md")
	require.NoError(t, err)
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(string(doc), -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(documented)
	require.Equal(t, strings.Join(exported.list, "\n"), strings.Join(documented, "\n"))
}
