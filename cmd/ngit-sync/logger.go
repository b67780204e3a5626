package main

import (
	"fmt"
	"io"
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/ngit-sync/ngit-sync/internal/config"
	"github.com/ngit-sync/ngit-sync/internal/web"
)

// newLeveledLogger gives a logger and its level, so that it can be changed while the daemon runs. Nothing is sampled: a line
// is written when somebody can act on it.
func newLeveledLogger(cfg config.Log, w io.Writer) (*zap.Logger, zap.AtomicLevel, error) {
	level, err := zap.ParseAtomicLevel(cfg.Level)
	if err != nil {
		return nil, zap.AtomicLevel{}, fmt.Errorf("log level: %w", err)
	}
	enc := zap.NewProductionEncoderConfig()
	enc.TimeKey, enc.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	enc.EncodeDuration = zapcore.StringDurationEncoder
	var encoder zapcore.Encoder
	switch cfg.Format {
	case "json":
		encoder = zapcore.NewJSONEncoder(enc)
	case "console":
		enc.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		enc.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(enc)
	default:
		return nil, zap.AtomicLevel{}, fmt.Errorf("log format %q", cfg.Format)
	}
	core := zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(harmlessLog{w})), level)
	return zap.New(core, zap.ErrorOutput(zapcore.Lock(os.Stderr))), level, nil
}

// harmlessLog writes lines in which strangers' texts, which stand in JSON, cannot drive a terminal.
type harmlessLog struct{ io.Writer }

func (l harmlessLog) Write(line []byte) (int, error) {
	if _, err := l.Writer.Write(web.EscapeJSON(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}
