package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"

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

func TestAStrangersTextInTheLogCannotDriveATerminal(t *testing.T) {
	for _, format := range []string{"json", "console"} {
		var out bytes.Buffer
		log, _, err := newLeveledLogger(config.Log{Level: "info", Format: format}, &out)
		require.NoError(t, err)
		const text = "\x1b[2J\u009b2J\x7f\u202eeslaf\u200b\r\n\U000e0041 ümläut"
		log.Info("refused", zap.String("reason", text), zap.Error(errors.New(text)))
		line := strings.TrimSuffix(out.String(), "\n")
		for _, r := range strings.ReplaceAll(line, "\t", "") {
			require.True(t, unicode.IsGraphic(r), "%s: %q", format, line)
		}
		require.Contains(t, line, "ümläut")
		var fields struct{ Reason string }
		require.NoError(t, json.Unmarshal([]byte(line[strings.IndexByte(line, '{'):]), &fields))
		require.Equal(t, text, fields.Reason, "readers of JSON see no difference")
	}
}
