package devserver

import (
	"sync/atomic"

	"github.com/rs/zerolog"
	"go.temporal.io/server/common/log/tag"
)

// logger writes the server's log to a zerolog logger. A fatal message does not end the process: it
// is sent to [Server.Failed].
type logger struct {
	out      zerolog.Logger
	stopping *atomic.Bool // suppresses messages: stopping services report that others are missing
	failed   chan<- string
}

func (l logger) write(level zerolog.Level, message string, tags []tag.Tag) {
	if l.stopping.Load() || level < l.out.GetLevel() {
		return
	}
	event := l.out.WithLevel(level)
	for _, t := range tags {
		event.Interface(t.Key(), t.Value())
	}
	event.Msg(message)
}

func (l logger) Debug(message string, tags ...tag.Tag) { l.write(zerolog.DebugLevel, message, tags) }

func (l logger) Info(message string, tags ...tag.Tag) { l.write(zerolog.InfoLevel, message, tags) }

func (l logger) Warn(message string, tags ...tag.Tag) { l.write(zerolog.WarnLevel, message, tags) }

func (l logger) Error(message string, tags ...tag.Tag) { l.write(zerolog.ErrorLevel, message, tags) }

func (l logger) DPanic(message string, tags ...tag.Tag) { l.write(zerolog.ErrorLevel, message, tags) }

func (l logger) Panic(message string, tags ...tag.Tag) { l.Fatal(message, tags...) }

func (l logger) Fatal(message string, tags ...tag.Tag) {
	l.write(zerolog.ErrorLevel, message, tags)
	select {
	case l.failed <- message:
	default: // the first reason is kept
	}
}
