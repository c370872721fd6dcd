// Package golog is a log made in Go, in memory: entries, tree, proofs and signed checkpoints by golang.org/x/mod. Its
// entries and keys come from its name alone, so that the same log can be made again at any size.
package golog

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"countersign.example/interop/c2sp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// MaxSize bounds a log: what a witness claims to remember is not made blindly.
const MaxSize = 1 << 20

// A Log is a log with one Ed25519 key.
type Log struct {
	Origin string
	// Vkey is the verifier key of the log.
	Vkey   string
	signer note.Signer
	branch string
	hashes []tlog.Hash
	size   int64
}

// New returns the empty log of this origin. Logs of one origin and two branches have different entries from the
// beginning: they are two histories of one log.
func New(origin, branch string) (*Log, error) {
	skey, vkey, err := Key(origin, origin)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	return &Log{Origin: origin, Vkey: vkey, signer: signer, branch: branch}, nil
}

// Seed is the seed of the key of this name. It is public: such a key proves nothing to anybody.
func Seed(name string) []byte {
	seed := sha256.Sum256([]byte("countersign interop test key, public: " + name))
	return seed[:]
}

// Key is an Ed25519 key of this name, as package note writes keys. Keys of one name and two purposes differ.
// note.GenerateKey would do, but what it makes of a source that is not random is no promise of Go.
func Key(name, purpose string) (skey, vkey string, err error) {
	seed := Seed(purpose)
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	vkey, err = note.NewEd25519VerifierKey(name, public)
	if err != nil {
		return "", "", err
	}
	id := strings.Split(vkey, "+")[1]
	secret := base64.StdEncoding.EncodeToString(append([]byte{c2sp.TypeEd25519}, seed...))
	return fmt.Sprintf("PRIVATE+KEY+%s+%s+%s", name, id, secret), vkey, nil
}

// Entry is the entry at this index.
func (l *Log) Entry(index int64) []byte {
	return fmt.Appendf(nil, "entry %d of %s%s", index, l.Origin, l.branch)
}

// Grow appends entries until the log has this size.
func (l *Log) Grow(size int64) error {
	if size > MaxSize {
		return fmt.Errorf("size %d is above %d", size, MaxSize)
	}
	for ; l.size < size; l.size++ {
		hashes, err := tlog.StoredHashes(l.size, l.Entry(l.size), l)
		if err != nil {
			return err
		}
		l.hashes = append(l.hashes, hashes...)
	}
	return nil
}

// ReadHashes makes the log a tlog.HashReader.
func (l *Log) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index < 0 || index >= int64(len(l.hashes)) {
			return nil, fmt.Errorf("no stored hash %d", index)
		}
		hashes[i] = l.hashes[index]
	}
	return hashes, nil
}

// Tree is the tree of the first size entries; the log grows where it has to.
func (l *Log) Tree(size int64) (tlog.Tree, error) {
	if size == 0 {
		return tlog.Tree{Hash: sha256.Sum256(nil)}, nil
	}
	if err := l.Grow(size); err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.TreeHash(size, l)
	return tlog.Tree{N: size, Hash: root}, err
}

// Checkpoint is the signed checkpoint of this size.
func (l *Log) Checkpoint(size int64) ([]byte, error) {
	tree, err := l.Tree(size)
	if err != nil {
		return nil, err
	}
	return l.SignTree(tree)
}

// SignTree signs whatever tree it is given.
func (l *Log) SignTree(tree tlog.Tree) ([]byte, error) {
	return note.Sign(&note.Note{Text: c2sp.FormatCheckpoint(l.Origin, tree)}, l.signer)
}

// Consistency is the proof from one size to another; there is none from size 0.
func (l *Log) Consistency(from, to int64) (tlog.TreeProof, error) {
	if err := l.Grow(to); err != nil {
		return nil, err
	}
	if from == 0 {
		return nil, nil
	}
	return tlog.ProveTree(to, from, l)
}
