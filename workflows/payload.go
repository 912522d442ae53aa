package workflows

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// PayloadKeys is the environment variable with the keys that encrypt what rdrec gives to Temporal:
// "ID=KEY,ID=KEY", each key 32 bytes in base64. The first one encrypts; all of them decrypt, so
// that a new key is added in front and an old one removed when no history needs it any more.
const PayloadKeys = "RDREC_PAYLOAD_KEYS"

// ErrPayloadKey means that a payload cannot be decrypted, or that the keys cannot be read.
var ErrPayloadKey = errors.New("no key for an encrypted payload")

// Payloads converts values, headers and errors to what histories store, and back. Its zero value
// stores them in plain text.
type Payloads struct{ codec payloadCodec }

// NewPayloads returns the conversion for keys in the form of [PayloadKeys]; without keys, nothing
// is encrypted.
func NewPayloads(keys string) (Payloads, error) {
	var p Payloads
	for entry := range strings.SplitSeq(keys, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		key, err := readPayloadKey(entry)
		if err != nil {
			return p, err
		}
		if p.codec.find(key.id) != nil {
			return p, fmt.Errorf("%w: %s names key %q twice", ErrPayloadKey, PayloadKeys, key.id)
		}
		p.codec.keys = append(p.codec.keys, key)
	}
	return p, nil
}

// Encrypted reports whether payloads are encrypted.
func (p Payloads) Encrypted() bool { return len(p.codec.keys) > 0 }

// Codec returns the codec, for a server that decrypts for the Web UI.
func (p Payloads) Codec() converter.PayloadCodec { return &p.codec }

// Converter returns the converter of values.
func (p Payloads) Converter() converter.DataConverter {
	return converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), &p.codec)
}

// Configure sets the converters and propagators of a client.
func (p Payloads) Configure(o *client.Options) {
	o.DataConverter, o.FailureConverter, o.ContextPropagators = p.Converter(), p.FailureConverter(), p.Propagators()
}

// payloadKey is a key with its name in payloads.
type payloadKey struct {
	id   string
	aead cipher.AEAD
}

// keyID matches the names of keys.
var keyID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// readPayloadKey reads "ID=KEY". Its errors never contain the key.
func readPayloadKey(entry string) (key payloadKey, err error) {
	id, text, _ := strings.Cut(entry, "=")
	if !keyID.MatchString(id) || text == "" { // a key alone may end with =
		return key, fmt.Errorf("%w: %s: want ID=KEY, with letters, digits, dots and dashes in the id",
			ErrPayloadKey, PayloadKeys)
	}
	secret, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(secret) != payloadKeyBytes {
		return key, fmt.Errorf("%w: %s: key %q: want %d bytes in base64",
			ErrPayloadKey, PayloadKeys, id, payloadKeyBytes)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return key, fmt.Errorf("%s: key %q: %w", PayloadKeys, id, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return payloadKey{id, aead}, err
}

const (
	// payloadKeyBytes is the size of an AES-256 key.
	payloadKeyBytes = 32
	// encodingEncrypted is the encoding of an encrypted payload, keyMetadata the name of the key's
	// id.
	encodingEncrypted = "binary/encrypted"
	keyMetadata       = "encryption-key-id"
)

// payloadCodec encrypts payloads with AES-256-GCM. The key's id is authenticated, too. A payload
// that is not encrypted is read as it is: it was written before there were keys.
type payloadCodec struct{ keys []payloadKey }

// find returns a key, or nil.
func (c *payloadCodec) find(id string) *payloadKey {
	for i := range c.keys {
		if c.keys[i].id == id {
			return &c.keys[i]
		}
	}
	return nil
}

// Encode encrypts payloads with the first key.
func (c *payloadCodec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	if len(c.keys) == 0 {
		return payloads, nil
	}
	key, encoded := c.keys[0], make([]*commonpb.Payload, len(payloads))
	for i, payload := range payloads {
		plain, err := proto.Marshal(payload)
		if err != nil {
			return nil, fmt.Errorf("encrypt a payload: %w", err)
		}
		encoded[i] = &commonpb.Payload{
			Metadata: map[string][]byte{
				converter.MetadataEncoding: []byte(encodingEncrypted), keyMetadata: []byte(key.id),
			},
			Data: key.aead.Seal(nil, nil, plain, []byte(key.id)),
		}
	}
	return encoded, nil
}

// Decode decrypts payloads, each with its key.
func (c *payloadCodec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	decoded := make([]*commonpb.Payload, len(payloads))
	for i, payload := range payloads {
		if string(payload.GetMetadata()[converter.MetadataEncoding]) != encodingEncrypted {
			decoded[i] = payload
			continue
		}
		id := string(payload.GetMetadata()[keyMetadata])
		key := c.find(id)
		if key == nil {
			return nil, fmt.Errorf("%w: it needs key %q, which is not in %s", ErrPayloadKey, id, PayloadKeys)
		}
		plain, err := key.aead.Open(nil, nil, payload.GetData(), []byte(id))
		if err != nil {
			return nil, fmt.Errorf("%w: key %q of %s is another key of that name", ErrPayloadKey, id, PayloadKeys)
		}
		decoded[i] = &commonpb.Payload{}
		if err := proto.Unmarshal(plain, decoded[i]); err != nil {
			return nil, fmt.Errorf("decrypt a payload: %w", err)
		}
	}
	return decoded, nil
}

// NewPayloadKey returns a random key in base64.
func NewPayloadKey() string {
	key := make([]byte, payloadKeyBytes)
	_, _ = rand.Read(key) // it never fails
	return base64.StdEncoding.EncodeToString(key)
}
