package config

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
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

func TestASecretIsReadFromAFileOfOurOwnOnly(t *testing.T) {
	const text = "long enough to be one"
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte(text+"\n"), 0o600))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(file, link))
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for path, want := range map[string]string{
		file: "", link: "", dir: "not a file", pipe: "not a file", "/dev/zero": "not a file", filepath.Join(dir, "none"): "no such file",
	} {
		got, err := readSecret(path)
		if want != "" {
			require.ErrorContains(t, err, want, path)
			continue
		}
		require.NoError(t, err, path)
		require.Equal(t, text, got)
	}
	require.True(t, foreign(12345, 1000))
	require.True(t, foreign(12345, 0))
	require.False(t, foreign(1000, 1000))
	require.False(t, foreign(0, 1000))
	if os.Getuid() == 0 { // who can give a file to somebody else
		require.NoError(t, os.Chown(file, 12345, -1))
		for _, path := range []string{file, link} {
			_, err := readSecret(path)
			require.ErrorContains(t, err, "belongs to another user (12345)")
		}
	}
}

// A token is made where nothing is: what stands there is neither followed nor written over.
func TestATokenIsNotWrittenThroughALink(t *testing.T) {
	cfg := Default()
	dir := t.TempDir()
	cfg.Database.URL = Secret("sqlite:" + filepath.Join(dir, "x.db"))
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(dir, tokenFile)))
	_, err := cfg.MakeToken()
	require.ErrorContains(t, err, "no such file")
	require.NoFileExists(t, elsewhere)
}
