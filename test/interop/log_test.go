// Package interop holds a running tiled log and a running witness against golang.org/x/mod and the C2SP specifications.
// run.ts starts the tests and tells them by environment variables where to look; a test that is not told fails.
package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"countersign.example/interop/c2sp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	// maxSmall is up to where everything is checked with everything.
	maxSmall = 48
	// samples is how many indices or pairs of sizes are drawn in larger trees.
	samples = 200
	// maxEntries bounds the entries that are fetched, from the newest back.
	maxEntries = 4096
	seed       = 20260722
)

// A log under test: its files, and a checkpoint that was opened.
type runningLog struct {
	source     *c2sp.Source
	verifiers  note.Verifiers
	origin     string
	checkpoint c2sp.Checkpoint
	raw        []byte
	reader     tlog.HashReader
}

func openLog(t *testing.T) *runningLog {
	t.Helper()
	vkeys := strings.Fields(required(t, "INTEROP_LOG_VKEYS"))
	verifiers, count, err := c2sp.Verifiers(vkeys)
	must(t, err)
	if count == 0 {
		t.Fatalf("none of the keys of the log is an Ed25519 key: %v", vkeys)
	}
	source := c2sp.NewSource(required(t, "INTEROP_LOG_URL"))
	answer, err := source.Get("checkpoint")
	must(t, err)
	if answer.Status != http.StatusOK {
		t.Fatalf("checkpoint: status %d: %s", answer.Status, answer.Body)
	}
	log := &runningLog{source: source, verifiers: verifiers, raw: answer.Body}
	log.origin, _, _ = strings.Cut(vkeys[0], "+")
	log.checkpoint = log.open(t, answer.Body)
	log.reader = tlog.TileHashReader(log.checkpoint.Tree, source)
	if log.checkpoint.Tree.N == 0 {
		t.Fatal("the log is empty: there is nothing to check")
	}
	return log
}

// open verifies a checkpoint of the log and parses it.
func (l *runningLog) open(t *testing.T, raw []byte) c2sp.Checkpoint {
	t.Helper()
	opened, err := note.Open(raw, l.verifiers)
	must(t, err)
	checkpoint, err := c2sp.ParseCheckpoint(opened.Text)
	must(t, err)
	if checkpoint.Origin != l.origin {
		t.Fatalf("the checkpoint is of %q, the key of %q", checkpoint.Origin, l.origin)
	}
	return checkpoint
}

func (l *runningLog) size() int64 { return l.checkpoint.Tree.N }

func (l *runningLog) rootAt(t *testing.T, size int64) tlog.Hash {
	t.Helper()
	root, err := tlog.TreeHash(size, l.reader)
	must(t, err)
	return root
}

func TestLogCheckpoint(t *testing.T) {
	log := openLog(t)
	t.Run("is a signed note that note.Open accepts", func(t *testing.T) {
		t.Logf("%s has %d entries", log.origin, log.size())
	})
	t.Run("is plain text that is not kept by caches for long", func(t *testing.T) {
		answer, err := log.source.Get("checkpoint")
		must(t, err)
		if got := answer.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/plain") {
			t.Errorf("Content-Type is %q", got)
		}
		if got := answer.Header.Get("Cache-Control"); strings.Contains(got, "immutable") {
			t.Errorf("Cache-Control is %q", got)
		}
	})
	t.Run("is refused when one byte of its text is changed", func(t *testing.T) {
		for i := range strings.Index(string(log.raw), "\n\n") {
			changed := slices.Clone(log.raw)
			changed[i] ^= 1
			if opened, err := note.Open(changed, log.verifiers); err == nil {
				t.Fatalf("byte %d: %q was accepted", i, opened.Text)
			}
		}
	})
	t.Run("is not opened by the key of another log", func(t *testing.T) {
		other, err := note.NewVerifier("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
		must(t, err)
		var unverified *note.UnverifiedNoteError
		if _, err := note.Open(log.raw, note.VerifierList(other)); !errors.As(err, &unverified) {
			t.Fatalf("the error is %v", err)
		}
	})
	t.Run("has its witnesses' Ed25519 cosignatures, if witnesses were named", func(t *testing.T) {
		vkeys := strings.Fields(os.Getenv("INTEROP_COSIGNER_VKEYS"))
		verifiers, count, err := c2sp.Verifiers(vkeys)
		must(t, err)
		if count == 0 {
			return
		}
		opened, err := note.Open(log.raw, verifiers)
		must(t, err)
		for _, sig := range opened.Sigs {
			time, err := c2sp.Timestamp(sig)
			must(t, err)
			if time == 0 {
				t.Errorf("%s gives no time", sig.Name)
			}
		}
		t.Logf("%d of %d cosignatures verified", len(opened.Sigs), count)
	})
}

func TestLogTiles(t *testing.T) {
	log := openLog(t)
	t.Run("lead to the root of the checkpoint", func(t *testing.T) {
		if got := log.rootAt(t, log.size()); got != log.checkpoint.Tree.Hash {
			t.Fatalf("the tiles lead to %v, the checkpoint says %v", got, log.checkpoint.Tree.Hash)
		}
	})
	t.Run("hold every hash that is stored in the tree", func(t *testing.T) {
		count := min(tlog.StoredHashCount(log.size()), 2*maxEntries)
		indexes := make([]int64, count)
		for i := range indexes {
			indexes[i] = tlog.StoredHashCount(log.size()) - count + int64(i)
		}
		for chunk := range slices.Chunk(indexes, 512) {
			_, err := log.reader.ReadHashes(chunk)
			must(t, err)
		}
	})
	t.Run("are immutable bytes for everybody", func(t *testing.T) {
		tile := tlog.TileForIndex(c2sp.TileHeight, tlog.StoredHashIndex(0, log.size()-1))
		answer, err := log.source.Get(c2sp.TilePath(tile))
		must(t, err)
		if answer.Status != http.StatusOK || len(answer.Body) != tile.W*tlog.HashSize {
			t.Fatalf("status %d, %d bytes for width %d", answer.Status, len(answer.Body), tile.W)
		}
	})
	t.Run("that do not exist are not found", func(t *testing.T) {
		full := (log.size() >> c2sp.TileHeight) + 1
		for _, path := range []string{
			c2sp.TilePath(tlog.Tile{H: 8, L: 0, N: full, W: 256}),
			c2sp.TilePath(tlog.Tile{H: 8, L: 0, N: full, W: 1}),
			c2sp.TilePath(tlog.Tile{H: 8, L: -1, N: full, W: 256}),
			c2sp.TilePath(tlog.Tile{H: 8, L: 7, N: 0, W: 1}),
			"tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/0", "tile/0/x000/000", "tile/64/000",
			"tile/00/000", "tile/-1/000", "tile/8/0/000", "tile/data/000", "tile/0/00%30",
		} {
			answer, err := log.source.Get(path)
			must(t, err)
			// %30 is a zero: whoever decodes paths before he looks serves the tile, which is no harm.
			if path == "tile/0/00%30" && answer.Status == http.StatusOK {
				continue
			}
			if answer.Status != http.StatusNotFound && answer.Status != http.StatusBadRequest {
				t.Errorf("%s: status %d", path, answer.Status)
			}
		}
	})
}

func TestLogEntries(t *testing.T) {
	log := openLog(t)
	t.Run("hash to the leaves of the tree", func(t *testing.T) {
		first := max(0, log.size()-maxEntries) >> c2sp.TileHeight
		for bundle := first; bundle<<c2sp.TileHeight < log.size(); bundle++ {
			start := bundle << c2sp.TileHeight
			width := int(min(256, log.size()-start))
			entries, err := log.source.Entries(bundle, width)
			must(t, err)
			indexes := make([]int64, width)
			for i := range indexes {
				indexes[i] = tlog.StoredHashIndex(0, start+int64(i))
			}
			leaves, err := log.reader.ReadHashes(indexes)
			must(t, err)
			for i, entry := range entries {
				if tlog.RecordHash(entry) != leaves[i] {
					t.Fatalf("entry %d does not hash to its leaf", start+int64(i))
				}
			}
		}
	})
}

func TestLogProofs(t *testing.T) {
	log := openLog(t)
	size, root := log.size(), log.checkpoint.Tree.Hash
	random := rand.New(rand.NewSource(seed))
	t.Run("of inclusion made from its tiles hold", func(t *testing.T) {
		for _, index := range sampleIndexes(random, size) {
			proof, err := tlog.ProveRecord(size, index, log.reader)
			must(t, err)
			must(t, tlog.CheckRecord(proof, size, root, index, log.leaf(t, index)))
		}
	})
	t.Run("of consistency made from its tiles hold", func(t *testing.T) {
		for _, from := range sampleIndexes(random, size) {
			old := log.rootAt(t, from+1)
			proof, err := tlog.ProveTree(size, from+1, log.reader)
			must(t, err)
			must(t, tlog.CheckTree(proof, size, root, from+1, old))
		}
	})
	t.Run("of consistency hold from a checkpoint that was kept, if one was named", func(t *testing.T) {
		file := os.Getenv("INTEROP_OLD_CHECKPOINT")
		if file == "" {
			return
		}
		raw, err := os.ReadFile(file)
		must(t, err)
		old := log.open(t, raw)
		if old.Tree.N >= size {
			t.Fatalf("the log did not grow: from %d to %d", old.Tree.N, size)
		}
		proof, err := tlog.ProveTree(size, old.Tree.N, log.reader)
		must(t, err)
		must(t, tlog.CheckTree(proof, size, root, old.Tree.N, old.Tree.Hash))
	})
}

func (l *runningLog) leaf(t *testing.T, index int64) tlog.Hash {
	t.Helper()
	hashes, err := l.reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
	must(t, err)
	return hashes[0]
}

// TestOwnProofs checks what only a Countersign log serves: proofs as JSON.
func TestOwnProofs(t *testing.T) {
	log := openLog(t)
	random := rand.New(rand.NewSource(seed))
	sizes := []int64{1, 2, log.size()}
	for range 20 {
		sizes = append(sizes, 1+random.Int63n(log.size()))
	}
	t.Run("of inclusion are those that Go makes, and hold", func(t *testing.T) {
		for _, size := range sizes {
			index := random.Int63n(size)
			answer := log.proof(t, "inclusion", "index", index, "size", size)
			expected, err := tlog.ProveRecord(size, index, log.reader)
			must(t, err)
			sameProof(t, answer.Proof, expected)
			must(t, tlog.CheckRecord(answer.Proof, size, log.rootAt(t, size), index, log.leaf(t, index)))
		}
	})
	t.Run("of consistency are those that Go makes, and hold", func(t *testing.T) {
		for _, to := range sizes {
			from := 1 + random.Int63n(to)
			answer := log.proof(t, "consistency", "from", from, "to", to)
			expected, err := tlog.ProveTree(to, from, log.reader)
			must(t, err)
			sameProof(t, answer.Proof, expected)
			must(t, tlog.CheckTree(answer.Proof, to, log.rootAt(t, to), from, log.rootAt(t, from)))
		}
	})
}

type proofAnswer struct {
	Origin string
	Proof  []tlog.Hash
}

func (l *runningLog) proof(t *testing.T, kind, a string, av int64, b string, bv int64) proofAnswer {
	t.Helper()
	query := url.Values{a: {strconv.FormatInt(av, 10)}, b: {strconv.FormatInt(bv, 10)}}
	answer, err := l.source.Get("proof/" + kind + "?" + query.Encode())
	must(t, err)
	var proof proofAnswer
	must(t, json.Unmarshal(answer.Body, &proof))
	if answer.Status != http.StatusOK || proof.Origin != l.origin {
		t.Fatalf("%s: status %d, %s", query.Encode(), answer.Status, answer.Body)
	}
	return proof
}

func sameProof(t *testing.T, got []tlog.Hash, expected []tlog.Hash) {
	t.Helper()
	if !slices.Equal(got, expected) {
		t.Fatalf("the proof is %v, Go makes %v", got, expected)
	}
}

// TestOwnReceipts opens the .tlog-proof files that the log handed out, whose extra data is the entry.
func TestOwnReceipts(t *testing.T) {
	log := openLog(t)
	files, err := filepath.Glob(filepath.Join(required(t, "INTEROP_RECEIPTS"), "*.tlog-proof"))
	must(t, err)
	if len(files) == 0 {
		t.Fatal("there is no receipt to check")
	}
	cosigners, count, err := c2sp.Verifiers(strings.Fields(required(t, "INTEROP_COSIGNER_VKEYS")))
	must(t, err)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			must(t, err)
			proof, err := c2sp.ParseProof(string(text))
			must(t, err)
			tree := log.open(t, proof.Checkpoint).Tree
			leaf := tlog.RecordHash(proof.Extra)
			must(t, tlog.CheckRecord(proof.Hashes, tree.N, tree.Hash, proof.Index, leaf))
			if leaf != log.leaf(t, proof.Index) {
				t.Errorf("the log now has another entry %d", proof.Index)
			}
			cosigned, err := note.Open(proof.Checkpoint, cosigners)
			must(t, err)
			if len(cosigned.Sigs) == 0 || len(cosigned.Sigs) > count {
				t.Errorf("%d cosignatures", len(cosigned.Sigs))
			}
			leaf[0] ^= 1
			if tlog.CheckRecord(proof.Hashes, tree.N, tree.Hash, proof.Index, leaf) == nil {
				t.Error("the proof holds for another leaf")
			}
		})
	}
}

// sampleIndexes are all indices of a small tree; of a larger one the edges and some at random.
func sampleIndexes(random *rand.Rand, size int64) []int64 {
	var indexes []int64
	for i := int64(0); i < min(size, maxSmall); i++ {
		indexes = append(indexes, i)
	}
	for i := max(maxSmall, size-maxSmall); i < size; i++ {
		indexes = append(indexes, i)
	}
	for _, edge := range []int64{255, 256, 257, 511, 512, 65535, 65536, 65537} {
		if edge < size {
			indexes = append(indexes, edge)
		}
	}
	for range samples {
		if size > 2*maxSmall {
			indexes = append(indexes, random.Int63n(size))
		}
	}
	return indexes
}

func required(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: these tests are started by `npm run test:interop`", name)
	}
	return value
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(fmt.Errorf("%w", err))
	}
}
