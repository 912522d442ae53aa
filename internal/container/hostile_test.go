package container_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

// blocks packs data as xz in blocks of so many bytes.
func blocks(t *testing.T, data string, size int64) string {
	t.Helper()
	return pack(t, data, func(w io.Writer) (*xz.Writer, error) { return xz.WriterConfig{BlockSize: size}.NewWriter(w) })
}

// claiming returns an xz file whose block at a byte claims a dictionary of 4 GiB.
func claiming(packed string, block int) string {
	data := []byte(packed)
	header := data[block : block+4*(int(data[block])+1)]
	at := bytes.Index(header, []byte{0x21, 1}) // LZMA2 and the length of its property
	header[at+2] = 40
	end := len(header) - 4
	binary.LittleEndian.PutUint32(header[end:], crc32.ChecksumIEEE(header[:end]))
	return string(data)
}

// TestDictionariesOfXZ unpacks files of one and of several blocks and streams, and refuses those of
// which a block claims a dictionary of 4 GiB, before that is allocated.
func TestDictionariesOfXZ(t *testing.T) {
	t.Parallel()
	var noise strings.Builder // is stored as it is
	for random := rand.New(rand.NewPCG(1, 2)); noise.Len() < 300_000; {
		noise.WriteByte(byte(random.UintN(256)))
	}
	mixed := text + noise.String() + strings.Repeat(text, 20_000)
	one, several := pack(t, mixed, xz.NewWriter), blocks(t, mixed, 100_000)
	for name, data := range map[string]string{
		"one block": one, "several blocks": several, "two streams": one + several,
		"padding between streams": one + "\x00\x00\x00\x00" + one,
	} {
		got, _, err := unpack(data)
		if err != nil || !strings.HasPrefix(got, mixed) || len(got)%len(mixed) > 0 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	const first = 12
	for name, data := range map[string]string{
		"the first block":  claiming(one, first),
		"the second block": claiming(several, strings.Index(several[first+4:], several[first:first+5])+first+4),
		"a second stream":  one + claiming(one, first),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := unpack(data)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "its dictionary has more than 134217728 bytes") {
			t.Errorf("%s: %v", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 256<<20 {
			t.Errorf("%s: allocated %d bytes", name, took)
		}
	}
	const parts = 50
	for part := 1; part < parts; part++ {
		if _, _, err := unpack(one[:first+(len(one)-first)*part/parts]); err == nil {
			t.Errorf("%d of %d parts of a file: no error", part, parts)
		}
	}
}

// TestLayersThatUnpackToNothing packs members of gzip without content, which take long and are
// never rows.
func TestLayersThatUnpackToNothing(t *testing.T) {
	t.Parallel()
	var empty bytes.Buffer
	if err := gzip.NewWriter(&empty).Close(); err != nil {
		t.Fatal(err)
	}
	const size = 160 << 20
	outer := pack(t, "", func(w io.Writer) (*gzip.Writer, error) {
		packed := gzip.NewWriter(w)
		members := bytes.Repeat(empty.Bytes(), 1<<20/empty.Len())
		for range size / len(members) {
			if _, err := packed.Write(members); err != nil {
				return nil, err
			}
		}
		return packed, nil
	})
	_, layers, err := unpack(outer)
	if err == nil || !strings.Contains(err.Error(), "unpack to more than") {
		t.Errorf("%d bytes of empty members in %d: layers %v, %v", size, len(outer), layers, err)
	}
}
