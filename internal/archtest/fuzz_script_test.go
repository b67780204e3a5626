package archtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Of what a fuzzed target can end with, scripts/fuzz.sh lets one failure pass: the end of Go's fuzzer by its own deadline.
func TestFuzzScriptExcusesOneEndOnly(t *testing.T) {
	const (
		progress = "fuzz: elapsed: 3s, execs: 388 (191/sec), new interesting: 0 (total: 269)\n"
		pkg      = "github.com/ngit-sync/ngit-sync/filters"
		end      = "FAIL\nexit status 1\nFAIL\t" + pkg + "\t2.066s\n"
		late     = "--- FAIL: FuzzFilter (2.06s)\n    context deadline exceeded\n"
	)
	for _, c := range []struct {
		name, said string
		code       int
		passes     bool
	}{
		{"passed", progress + "PASS\nok  \t" + pkg + "\t2.066s\n", 0, true},
		{"ended late", progress + late + end, 1, true},
		{"ended late, without a word before", late + end, 1, true},
		{"an input failed", progress + "--- FAIL: FuzzFilter (0.10s)\n    --- FAIL: FuzzFilter (0.00s)\n        match_test.go:99: no\n    \n" +
			"    Failing input written to testdata/fuzz/FuzzFilter/1\n" + end, 1, false},
		{"an input failed, and late", progress + late + "    Failing input written to testdata/fuzz/FuzzFilter/1\n" + end, 1, false},
		{"an input waits for a context", progress + "--- FAIL: FuzzFilter (2.06s)\n    --- FAIL: FuzzFilter (0.00s)\n        context deadline exceeded\n" + end, 1, false},
		{"a worker died", progress + "--- FAIL: FuzzFilter (2.06s)\n    fuzzing process hung or terminated unexpectedly: exit status 2\n" + end, 1, false},
		{"another package", late + "FAIL\nexit status 1\nFAIL\t" + pkg + "/x\t2.066s\n", 1, false},
		{"does not build", "FAIL\t" + pkg + " [build failed]\nFAIL\n", 1, false},
		{"nothing said", "", 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "said"), []byte(c.said), 0o600))
			fake := fmt.Sprintf("#!/bin/sh\nif [ $1 = list ]; then echo github.com/ngit-sync/ngit-sync; exit; fi\ncat %s/said\nexit %d\n", dir, c.code)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte(fake), 0o700))
			cmd := exec.Command("bash", "../../scripts/fuzz.sh", "1s", "FuzzFilter")
			cmd.Env = append(os.Environ(), "GO="+filepath.Join(dir, "go"))
			out, err := cmd.CombinedOutput()
			if c.passes {
				require.NoError(t, err, "%s", out)
			} else {
				var failed *exec.ExitError
				require.ErrorAs(t, err, &failed, "%s", out)
				require.Equal(t, 1, failed.ExitCode())
			}
			require.Contains(t, string(out), c.said, "what was said is shown")
		})
	}
}
