package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/config"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// configFields calls yield for every key with the path of its field in Config, such as Sync.Bootstrap.
func configFields(typ reflect.Type, key, path string, yield func(key, path string)) {
	for _, f := range reflect.VisibleFields(typ) {
		name := f.Tag.Get("key")
		if name == "" {
			continue
		}
		name, inner := strings.TrimPrefix(key+"."+name, "."), strings.TrimPrefix(path+"."+f.Name, ".")
		if _, leaf := f.Tag.Lookup("doc"); leaf {
			yield(name, inner)
		} else {
			configFields(f.Type, name, inner, yield)
		}
	}
}

// Every key is obeyed by this package. A field counts as obeyed when it is read from its
// section or from a variable that holds the section.
func TestEveryKeyIsObeyed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	files = append(files, "../../internal/config/token.go")
	var source strings.Builder
	for _, name := range files {
		if text, err := os.ReadFile(name); err == nil && !strings.HasSuffix(name, "_test.go") {
			source.Write(text)
		}
	}
	keys := 0
	configFields(reflect.TypeFor[config.Config](), "", "", func(key, path string) {
		keys++
		section, field := path[:strings.LastIndex(path, ".")], path[strings.LastIndex(path, ".")+1:]
		section = section[strings.LastIndex(section, ".")+1:]
		// cfg.Sync.Bootstrap, or a section that was put into a variable: scope := cfg.Scope; scope.Archive, or a whole log section
		obeyed := regexp.MustCompile(`\b`+section+`\.`+field+`\b`).MatchString(source.String()) ||
			regexp.MustCompile(`(?i)\b(`+section+`|from|l|h|e|c|cfg|o)\.`+field+`\b`).MatchString(source.String())
		require.True(t, obeyed, key)
	})
	require.Len(t, config.Keys(), keys)
}

func TestAddressesThatTheConfigurationAllows(t *testing.T) {
	var set settings
	set.cfg.Network.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/16")}
	for u, allowed := range map[relayurl.URL]bool{
		"ws://10.1.2.3:7777": true, "ws://[fd00::1]": true, "ws://10.2.0.1": false, "wss://relay.example.com": false,
	} {
		require.Equal(t, allowed, set.engine().AllowAddress(u), u)
	}
}
