// Command make prints, as JSON, what made.ts reads: keys, notes, checkpoints, cosignatures, proofs and tiles that were
// made by golang.org/x/mod. Everything comes from fixed seeds.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"math/rand"
	"os"
	"strings"

	"countersign.example/interop/c2sp"
	"countersign.example/interop/golog"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	origin = "go.example/made-in-go"
	// smallSize is up to where every proof is printed.
	smallSize = 40
	// largeSize is the example of C2SP tlog-tiles: full tiles at two levels, partial ones at three.
	largeSize = 70_000
	samples   = 150
	seed      = 20260722
	cosigned  = 1_790_000_000
)

type madeNote struct {
	Text string `json:"text"`
	// Skeys and Vkeys are those of the signers, in the order of the lines.
	Skeys []string `json:"skeys"`
	Vkeys []string `json:"vkeys"`
	Note  string   `json:"note"`
}

type inclusion struct {
	Index int64       `json:"index"`
	Size  int64       `json:"size"`
	Proof []tlog.Hash `json:"proof"`
}

type consistency struct {
	From  int64       `json:"from"`
	To    int64       `json:"to"`
	Proof []tlog.Hash `json:"proof"`
}

type madeTree struct {
	Entries     []string      `json:"entries"`
	Leaves      []tlog.Hash   `json:"leaves"`
	Roots       []tlog.Hash   `json:"roots"`
	Inclusion   []inclusion   `json:"inclusion"`
	Consistency []consistency `json:"consistency"`
}

type largeTree struct {
	Size int64 `json:"size"`
	// Roots, by size, of all sizes that the proofs are about.
	Roots       map[int64]tlog.Hash `json:"roots"`
	Leaves      map[int64]tlog.Hash `json:"leaves"`
	Inclusion   []inclusion         `json:"inclusion"`
	Consistency []consistency       `json:"consistency"`
	// Tiles, by their C2SP path, in base64.
	Tiles map[string][]byte `json:"tiles"`
}

type made struct {
	Origin string `json:"origin"`
	// Vkey is that of the log.
	Vkey  string     `json:"vkey"`
	Notes []madeNote `json:"notes"`
	// Refused are notes that note.Open refuses under the keys beside them.
	Refused      []madeNote `json:"refused"`
	Checkpoints  []string   `json:"checkpoints"`
	CosignerKeys []string   `json:"cosignerVkeys"`
	CosignedAt   int64      `json:"cosignedAt"`
	// Cosigned are checkpoints with a line by each cosigner.
	Cosigned []string  `json:"cosigned"`
	Small    madeTree  `json:"small"`
	Large    largeTree `json:"large"`
}

func main() {
	small, err := golog.New(origin, "")
	check(err)
	result := made{Origin: origin, Vkey: small.Vkey, CosignedAt: cosigned}
	result.Notes, result.Refused = makeNotes()
	for size := range int64(smallSize + 1) {
		checkpoint, err := small.Checkpoint(size)
		check(err)
		result.Checkpoints = append(result.Checkpoints, string(checkpoint))
	}
	result.CosignerKeys, result.Cosigned = cosign(small, result.Checkpoints)
	result.Small = makeSmall(small)
	result.Large = makeLarge(small)
	check(json.NewEncoder(os.Stdout).Encode(result))
}

func makeNotes() (accepted, refused []madeNote) {
	names := []string{"go.example/a", "b", "münchen.example/ключ", strings.Repeat("long/", 60) + "name", "日本"}
	texts := []string{
		"one line\n", "two\nlines\n", "\nblank first line\n", "a blank\n\nin the middle\n", "blank last\n\n", "\n",
		"unicode: ключ 日本 \U0001f512\n", "— looks like a signature AAAA\n", strings.Repeat("0123456789", 500) + "\n",
	}
	for i, text := range texts {
		accepted = append(accepted, sign(text, names[i%len(names)]), sign(text, names...))
	}
	good := sign("a text\n", names[0])
	for _, change := range []func(string) string{
		func(s string) string { return strings.Replace(s, "a text", "another text", 1) },
		func(s string) string { return strings.Replace(s, "a text", "a text ", 1) },
		func(s string) string { return strings.Replace(s, "\n\n", "\n", 1) },
		func(s string) string { return strings.Replace(s, "\u2014", "-", 1) },
		func(s string) string { return strings.TrimSuffix(s, "\n") },
		func(s string) string { return s + "\n" },
		func(s string) string { return s + "trailing\n" },
		func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		func(s string) string { return strings.Replace(s, "a text", "a\ttext", 1) },
		func(s string) string { return strings.Replace(s, "a text", "a \xff text", 1) },
		func(s string) string { return strings.Replace(s, "go.example/a", "go.example/b", 1) },
		func(s string) string { return strings.Replace(s, "go.example/a ", "go.example/a  ", 1) },
	} {
		changed := good
		changed.Note = change(good.Note)
		if _, err := note.Open([]byte(changed.Note), verifiers(good.Vkeys)); err == nil {
			log.Fatalf("note.Open accepts %q", changed.Note)
		}
		refused = append(refused, changed)
	}
	return accepted, refused
}

func sign(text string, names ...string) madeNote {
	result := madeNote{Text: text}
	var signers []note.Signer
	for _, name := range names {
		skey, vkey, err := golog.Key(name, name)
		check(err)
		signer, err := note.NewSigner(skey)
		check(err)
		signers = append(signers, signer)
		result.Skeys, result.Vkeys = append(result.Skeys, skey), append(result.Vkeys, vkey)
	}
	signed, err := note.Sign(&note.Note{Text: text}, signers...)
	check(err)
	if _, err := note.Open(signed, verifiers(result.Vkeys)); err != nil {
		log.Fatalf("note.Open refuses %q: %v", signed, err)
	}
	result.Note = string(signed)
	return result
}

func cosign(made *golog.Log, checkpoints []string) (vkeys, notes []string) {
	var signers []note.Signer
	for _, name := range []string{"go.example/witness-1", "go.example/witness-2"} {
		cosigner := c2sp.NewCosigner(name, [32]byte(golog.Seed(name)))
		cosigner.Time = cosigned
		signers = append(signers, cosigner)
		vkeys = append(vkeys, cosigner.VerifierKey())
	}
	all := append([]string{made.Vkey}, vkeys...)
	for _, checkpoint := range checkpoints {
		opened, err := note.Open([]byte(checkpoint), verifiers(all))
		check(err)
		signed, err := note.Sign(opened, signers...)
		check(err)
		_, err = note.Open(signed, verifiers(all))
		check(err)
		notes = append(notes, string(signed))
	}
	return vkeys, notes
}

func makeSmall(made *golog.Log) madeTree {
	var tree madeTree
	for size := range int64(smallSize + 1) {
		tree.Roots = append(tree.Roots, rootAt(made, size))
		if size == smallSize {
			break
		}
		entry := made.Entry(size)
		tree.Entries = append(tree.Entries, string(entry))
		tree.Leaves = append(tree.Leaves, tlog.RecordHash(entry))
	}
	for size := range int64(smallSize + 1) {
		for i := range size {
			tree.Inclusion = append(tree.Inclusion, proveInclusion(made, i, size))
			tree.Consistency = append(tree.Consistency, proveConsistency(made, i+1, size))
		}
	}
	return tree
}

func makeLarge(made *golog.Log) largeTree {
	check(made.Grow(largeSize))
	large := largeTree{
		Size:   largeSize,
		Roots:  map[int64]tlog.Hash{largeSize: rootAt(made, largeSize)},
		Leaves: make(map[int64]tlog.Hash),
		Tiles:  make(map[string][]byte),
	}
	random := rand.New(rand.NewSource(seed))
	for range samples {
		size := 1 + random.Int63n(largeSize)
		index, from := random.Int63n(size), 1+random.Int63n(size)
		large.Roots[size], large.Roots[from] = rootAt(made, size), rootAt(made, from)
		large.Leaves[index] = tlog.RecordHash(made.Entry(index))
		large.Inclusion = append(large.Inclusion, proveInclusion(made, index, size))
		large.Consistency = append(large.Consistency, proveConsistency(made, from, size))
	}
	for _, tile := range tlog.NewTiles(c2sp.TileHeight, 0, largeSize) {
		data, err := tlog.ReadTileData(tile, made)
		check(err)
		large.Tiles[c2sp.TilePath(tile)] = data
	}
	return large
}

func rootAt(made *golog.Log, size int64) tlog.Hash {
	tree, err := made.Tree(size)
	check(err)
	return tree.Hash
}

func proveInclusion(made *golog.Log, index, size int64) inclusion {
	check(made.Grow(size))
	proof, err := tlog.ProveRecord(size, index, made)
	check(err)
	return inclusion{index, size, orEmpty(proof)}
}

func proveConsistency(made *golog.Log, from, to int64) consistency {
	check(made.Grow(to))
	proof, err := tlog.ProveTree(to, from, made)
	check(err)
	return consistency{from, to, orEmpty(proof)}
}

// orEmpty makes an empty proof an empty array in JSON.
func orEmpty(hashes []tlog.Hash) []tlog.Hash {
	if hashes == nil {
		return []tlog.Hash{}
	}
	return hashes
}

func verifiers(vkeys []string) note.Verifiers {
	list, _, err := c2sp.Verifiers(vkeys)
	check(err)
	return list
}

func check(err error) {
	if err != nil {
		log.Fatal(fmt.Errorf("make: %w", err))
	}
}
