package config

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTokenIsMadeOnceAndKeptToItsOwner(t *testing.T) {
	cfg := Default()
	dir := t.TempDir()
	cfg.Database.URL = Secret("sqlite:" + filepath.Join(dir, "x.db"))
	_, err := cfg.ReadToken()
	require.ErrorContains(t, err, "http.token_file")
	first, err := cfg.MakeToken()
	require.NoError(t, err)
	require.Len(t, first.Reveal(), 2*tokenBytes)
	again, err := cfg.MakeToken()
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", first, first, first, first), first.Reveal()[:8])
	path := filepath.Join(dir, tokenFile)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, os.Chmod(path, 0o644))
	_, err = cfg.MakeToken()
	require.ErrorContains(t, err, "others may read it")
	require.NotContains(t, err.Error(), first.Reveal())
}

func TestTokenFileThatIsNamedMustBeThereAndLong(t *testing.T) {
	cfg := Default()
	cfg.HTTP.TokenFile = filepath.Join(t.TempDir(), "token")
	_, err := cfg.MakeToken()
	require.ErrorContains(t, err, "no such file")
	require.NoError(t, os.WriteFile(cfg.HTTP.TokenFile, []byte("short\n"), 0o600))
	_, err = cfg.MakeToken()
	require.ErrorContains(t, err, "fewer than 16 characters")
	require.NoError(t, os.WriteFile(cfg.HTTP.TokenFile, []byte("long enough to be one\n"), 0o600))
	token, err := cfg.MakeToken()
	require.NoError(t, err)
	require.Equal(t, "long enough to be one", token.Reveal())
}
