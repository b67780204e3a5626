package main

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/ngit-sync/ngit-sync/internal/config"
)

func TestJSONLogHasOneObjectALine(t *testing.T) {
	var out bytes.Buffer
	log, level, err := newLeveledLogger(config.Log{Level: "info", Format: "json"}, &out)
	require.NoError(t, err)
	log.Debug("hidden")
	log.Info("phase", zap.String("relay", "wss://a\n.example"), zap.Duration("after", 90*time.Second))
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Equal(t, "phase", line["msg"])
	require.Equal(t, "info", line["level"])
	require.Equal(t, "1m30s", line["after"])
	_, err = time.Parse(time.RFC3339Nano, line["time"].(string))
	require.NoError(t, err)

	out.Reset()
	level.SetLevel(zapcore.DebugLevel)
	log.Debug("shown")
	require.Contains(t, out.String(), "shown")
}

func TestConsoleLogAndItsLevels(t *testing.T) {
	for _, level := range []string{"debug", "info", "warn", "error"} {
		var out bytes.Buffer
		log, _, err := newLeveledLogger(config.Log{Level: level, Format: "console"}, &out)
		require.NoError(t, err)
		log.Error("stopped", zap.String("why", "test"))
		require.Regexp(t, `^\d\d:\d\d:\d\d\.\d{3}\tERROR\tstopped\t\{"why": "test"\}\n$`, out.String())
	}
}

func TestLoggerRefusesWhatConfigWouldRefuse(t *testing.T) {
	_, _, err := newLeveledLogger(config.Log{Level: "loud", Format: "json"}, io.Discard)
	require.Error(t, err)
	_, _, err = newLeveledLogger(config.Log{Level: "info", Format: "xml"}, io.Discard)
	require.Error(t, err)
}
