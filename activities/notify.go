package activities

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"rdrec/registry"
)

// NotifyInput is the record of a nightly run and the webhook to notify.
type NotifyInput struct {
	URL string              `json:"url"`
	Run registry.NightlyRun `json:"run"`
}

const (
	// WebhookSecret is the environment variable of the worker with the secret that signs the
	// webhook's posts.
	WebhookSecret = "RDREC_WEBHOOK_SECRET"
	// WebhookTimestamp is the header with the time of the post in seconds since 1970. It is
	// signed, so that a receiver can refuse an old post that somebody repeats.
	WebhookTimestamp = "X-Rdrec-Timestamp"
	// WebhookSignature is the header with the signature: "sha256=" and the HMAC of the timestamp,
	// a dot and the body, in hexadecimal.
	WebhookSignature = "X-Rdrec-Signature"
	webhookTimeout   = 10 * time.Second
	webhookReply     = 4 << 10
)

// Notify posts the record of a nightly run to the webhook. Any status but 2xx is an error, which is
// retried as often as the workflow allows.
func (a *Activities) Notify(ctx context.Context, in NotifyInput) (err error) {
	ctx, hb := a.startHeartbeat(ctx, "notify")
	defer hb.stop()
	defer func() { err = temporalError(ctx, err) }()
	body, err := json.Marshal(in.Run)
	if err != nil {
		return fmt.Errorf("encode nightly run %d of %q: %w", in.Run.Number, in.Run.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, in.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post to the webhook: %w: %w", ErrInvalid, err)
	}
	request.Header.Set("Content-Type", "application/json")
	if secret := os.Getenv(WebhookSecret); secret != "" {
		timestamp := strconv.FormatInt(a.Now().Unix(), 10)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(timestamp + "."))
		mac.Write(body)
		request.Header.Set(WebhookTimestamp, timestamp)
		request.Header.Set(WebhookSignature, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("post to the webhook: %w", err)
	}
	defer reply.Body.Close()
	_, err = io.CopyN(io.Discard, reply.Body, webhookReply)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the webhook's reply: %w", err)
	}
	if reply.StatusCode/100 != 2 {
		return fmt.Errorf("the webhook returned %s", reply.Status)
	}
	return nil
}
