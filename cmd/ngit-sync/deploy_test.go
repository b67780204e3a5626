package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/ngit-sync/ngit-sync/internal/config"
)

const sampleConfig = "deploy/ngit-sync/ngit-sync.yaml"

// requireCommandLine reads arguments as the program does.
func requireCommandLine(t *testing.T, args ...string) {
	t.Helper()
	cmd, rest, err := newRootCommand(func() {}).Find(args)
	require.NoError(t, err)
	require.True(t, cmd.HasParent(), "%v names no command", args)
	require.NoError(t, cmd.ParseFlags(rest))
	require.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()))
}

// readSample reads the sample configuration with variables, as the daemon does.
func readSample(t *testing.T, env ...string) config.Config {
	t.Helper()
	cfg, err := config.Load(config.Input{File: filepath.Join("../..", sampleConfig), Env: env})
	require.NoError(t, err)
	require.NoError(t, cfg.Validate())
	return cfg
}

// directives gives the values of a unit file by name; a name may stand there several times.
func directives(text string) map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			out[name] = append(out[name], value)
		}
	}
	return out
}

func TestUnitRunsTheProgramAsItIs(t *testing.T) {
	unit := directives(deployed(t, "deploy/ngit-sync.service"))
	require.Len(t, unit["ExecStart"], 1)
	start := strings.Fields(unit["ExecStart"][0])
	require.Equal(t, "ngit-sync", filepath.Base(start[0]))
	requireCommandLine(t, start[1:]...)
	require.Equal(t, []string{"/bin/kill -HUP $MAINPID"}, unit["ExecReload"])
	require.Equal(t, []string{strconv.Itoa(exitUsage)}, unit["RestartPreventExitStatus"])

	stop, err := strconv.Atoi(unit["TimeoutStopSec"][0])
	require.NoError(t, err)
	const publisherDrain = 10 * time.Second // the default of relay.PublisherOptions
	require.Greater(t, time.Duration(stop)*time.Second, publisherDrain+flushTimeout+closeTimeout)

	state := "/var/lib/" + unit["StateDirectory"][0]
	require.Equal(t, []string{state}, unit["WorkingDirectory"])
	cfg := readSample(t)
	require.Equal(t, "sqlite:"+state+"/ngit-sync.db", cfg.Database.URL.Reveal())
	require.Equal(t, state, filepath.Dir(cfg.TokenPath()), "the token for changes has a place that may be written")
}

type composeFile struct {
	Services map[string]composeService
	Secrets  map[string]struct{ File string }
	Volumes  map[string]any
}

type composeService struct {
	Image       string
	Build       struct{ Context, Dockerfile string }
	Command     []string
	Environment map[string]string
	Secrets     []string
	Volumes     []string
	Ports       []string
	DependsOn   any  `yaml:"depends_on"`
	ReadOnly    bool `yaml:"read_only"`
}

func readCompose(t *testing.T) composeFile {
	var c composeFile
	require.NoError(t, yaml.Unmarshal([]byte(deployed(t, "docker-compose.yml")), &c))
	require.NotEmpty(t, c.Services)
	return c
}

// givenVariable is what compose puts for ${NAME:-default} and ${NAME:?text}.
var givenVariable = regexp.MustCompile(`\$\{(\w+):[-?]([^}]*)\}`)

func TestComposeRunsTheProgramAsItIs(t *testing.T) {
	c := readCompose(t)
	daemon := c.Services["ngit-sync"]
	requireCommandLine(t, daemon.Command...)
	require.Equal(t, "deploy/Dockerfile", daemon.Build.Dockerfile)

	image := readDockerfile(t)
	env := slices.Clone(image.env)
	for name, value := range daemon.Environment {
		value = givenVariable.ReplaceAllString(value, "git.example.com")
		if name == "NGIT_DOMAIN" || strings.HasPrefix(name, "NGIT_SYNC_") {
			env = append(env, name+"="+value)
		} else {
			require.Contains(t, []string{"PGPASSFILE", "GOMEMLIMIT"}, name)
		}
	}
	cfg := readSample(t, env...)
	require.Equal(t, []string{"git.example.com"}, cfg.OwnRelay.Domains)
	require.Equal(t, "ws://relay:7777", string(cfg.OwnRelay.URL))
	require.Contains(t, c.Services, "relay")
	require.Regexp(t, `^postgres://ngit_sync@postgres/`, cfg.Database.URL.Reveal(), "the password is in a file")
	require.Contains(t, c.Services, "postgres")
	require.Contains(t, daemon.Volumes, "ngit-sync:"+image.workdir, "beside Postgres the token is made in the working directory")
	require.True(t, daemon.ReadOnly)

	_, port, found := strings.Cut(cfg.HTTP.Listen, ":")
	require.True(t, found)
	require.Contains(t, deployed(t, "deploy/prometheus/prometheus.yml"), `"ngit-sync:`+port+`"`)
	require.Contains(t, daemon.Ports, "127.0.0.1:"+port+":"+port)
	require.Contains(t, deployed(t, "deploy/grafana/provisioning/datasources/prometheus.yml"), "http://prometheus:9090\n")
	require.Contains(t, c.Services, "prometheus")
	require.Contains(t, deployed(t, "deploy/strfry.conf"), "port = 7777\n")
}

func TestComposeOpensNothingAndHoldsNoSecret(t *testing.T) {
	c := readCompose(t)
	ignored := strings.Split(deployed(t, ".gitignore"), "\n")
	for name, s := range c.Services {
		if s.Image != "ngit-sync" {
			require.Regexp(t, `^[a-z/-]+:v?\d`, s.Image, "%s: a version, so that it is the same tomorrow", name)
		}
		for _, port := range s.Ports {
			require.Regexp(t, `^127\.0\.0\.1:\d+:\d+$`, port, name)
		}
		for key, value := range s.Environment {
			if regexp.MustCompile(`(?i)password|secret|passfile`).MatchString(key) {
				file := strings.TrimPrefix(value, "/run/secrets/")
				require.NotEqual(t, value, file, "%s: %s is given by a file", name, key)
				require.Contains(t, s.Secrets, file, name)
			}
		}
		for _, secret := range s.Secrets {
			require.Equal(t, "deploy/secrets/"+secret, c.Secrets[secret].File)
			require.Contains(t, deployed(t, "deploy/secrets.sh"), "secrets/"+secret)
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if strings.HasPrefix(from, "./") {
				_, err := os.Stat(filepath.Join("../..", from))
				require.NoError(t, err, name)
				require.True(t, strings.HasSuffix(v, ":ro"), "%s: %s", name, v)
			} else {
				require.Contains(t, c.Volumes, from, name)
			}
		}
	}
	require.Contains(t, ignored, "/deploy/secrets/")
}

type dockerfile struct {
	env     []string
	workdir string
	words   map[string]string // of the last stage, by instruction
}

func readDockerfile(t *testing.T) dockerfile {
	var d dockerfile
	text := strings.ReplaceAll(deployed(t, "deploy/Dockerfile"), "\\\n", "")
	for line := range strings.Lines(text) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch instruction {
		case "FROM":
			d = dockerfile{words: map[string]string{}}
		case "ENV":
			d.env = append(d.env, rest)
		}
		if d.words != nil {
			d.words[instruction] = rest
		}
	}
	d.workdir = d.words["WORKDIR"]
	return d
}

func TestImageRunsTheProgramAsItIs(t *testing.T) {
	d := readDockerfile(t)
	list := func(text string) []string {
		var out []string
		require.NoError(t, json.Unmarshal([]byte(text), &out), text)
		return out
	}
	program := list(d.words["ENTRYPOINT"])
	require.Equal(t, []string{"/ngit-sync"}, program)
	requireCommandLine(t, list(d.words["CMD"])...)
	_, check, found := strings.Cut(d.words["HEALTHCHECK"], " CMD ")
	require.True(t, found)
	require.Equal(t, program[0], list(check)[0])
	requireCommandLine(t, list(check)[1:]...)
	require.Regexp(t, `^[1-9]\d*:[1-9]\d*$`, d.words["USER"], "by number, so that an orchestrator can tell that it is not root")
	require.Equal(t, d.workdir, d.words["VOLUME"])
	cfg := readSample(t, d.env...)
	require.NotEqual(t, config.Default().HTTP.Listen, cfg.HTTP.Listen)
	require.Equal(t, "1.26", regexp.MustCompile(`FROM \S+ golang:([\d.]+)`).FindStringSubmatch(deployed(t, "deploy/Dockerfile"))[1])
	require.Contains(t, deployed(t, "go.mod"), "\ngo 1.26.")
}

// What .dockerignore lets through is what the binary is built from.
func TestBuildContextHoldsTheProgram(t *testing.T) {
	var allowed []string
	for line := range strings.Lines(deployed(t, ".dockerignore")) {
		if dir, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			allowed = append(allowed, dir)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	require.NoError(t, err)
	want := []string{"go.mod", "go.sum"}
	for path := range strings.FieldsSeq(string(out)) {
		if ours, ok := strings.CutPrefix(path, "github.com/ngit-sync/ngit-sync/"); ok {
			top, _, _ := strings.Cut(ours, "/")
			want = append(want, top)
		}
	}
	slices.Sort(want)
	slices.Sort(allowed)
	require.Equal(t, slices.Compact(want), allowed)
}
