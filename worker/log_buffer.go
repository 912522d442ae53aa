package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"sync"

	"rdrec/internal/document"
	"rdrec/internal/pseudonym"
	"rdrec/workflows"
)

// maxLogHead and maxLogTail limit the log of an attempt: of a longer one the middle is left out.
const maxLogHead, maxLogTail = 16 << 10, 48 << 10

// leftOut stands for the lines that are left out.
const leftOut = `{"level":"warn","message":"lines are left out here: the log of an attempt is limited"}` + "\n"

// logBuffer keeps the lines of an attempt's log, without secrets.
type logBuffer struct {
	secrets []string

	mutex      sync.Mutex
	head, tail bytes.Buffer
	cut        bool
	changed    bool
}

// Write adds a line.
func (b *logBuffer) Write(line []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	clean := document.Redact(string(line))
	for _, secret := range b.secrets {
		clean = strings.ReplaceAll(clean, secret, "***")
	}
	b.changed = true
	if b.tail.Len() == 0 && b.head.Len()+len(clean) <= maxLogHead {
		b.head.WriteString(clean)
		return len(line), nil
	}
	b.tail.WriteString(clean)
	for b.tail.Len() > maxLogTail {
		if _, err := b.tail.ReadString('\n'); err != nil { // a line without end is not JSON
			b.tail.Reset()
		}
		b.cut = true
	}
	return len(line), nil
}

// read returns all lines; changed is false if they are those of the last call.
func (b *logBuffer) read() (lines []byte, changed bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	changed, b.changed = b.changed, false
	middle := ""
	if b.cut {
		middle = leftOut
	}
	return slices.Concat(b.head.Bytes(), []byte(middle), b.tail.Bytes()), changed
}

// secretsOf returns the values of the environment that give access to something.
func secretsOf(environment func(string) string) []string {
	const shortest = 8 // a shorter value may be part of any word
	var secrets []string
	for _, name := range []string{
		"RDREC_TEACHER_KEY", "OPENAI_API_KEY", "TEMPORAL_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "RDREC_WEBHOOK_SECRET", pseudonym.KeyVariable,
		"OTEL_EXPORTER_OTLP_HEADERS",
	} {
		if value := environment(name); len(value) >= shortest {
			secrets = append(secrets, value)
		}
	}
	for entry := range strings.SplitSeq(environment(workflows.PayloadKeys), ",") {
		if _, key, found := strings.Cut(entry, "="); found && len(key) >= shortest {
			secrets = append(secrets, key)
		}
	}
	return secrets
}

// environmentSecrets returns those of this process.
func environmentSecrets() []string { return secretsOf(os.Getenv) }
