package store_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/ngit-sync/ngit-sync/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(storetest.ChildEnv); url != "" {
		fmt.Fprintln(os.Stderr, storetest.Child(url, os.Stdout))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}
