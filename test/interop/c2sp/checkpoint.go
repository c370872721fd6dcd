// Package c2sp holds the few C2SP formats that golang.org/x/mod has no code for, written from the specifications:
// checkpoints of any origin, tile paths without a height, cosignatures, tlog-proof files. Everything about trees, proofs
// and notes is left to golang.org/x/mod/sumdb, which is the other implementation that this suite is about.
package c2sp

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// A Checkpoint is the text of a signed note as C2SP tlog-checkpoint has it.
type Checkpoint struct {
	Origin string
	Tree   tlog.Tree
	// Extensions are the lines after the root.
	Extensions []string
	// Text is the note text that was parsed.
	Text string
}

// ParseCheckpoint parses the text of a checkpoint, without signatures.
func ParseCheckpoint(text string) (Checkpoint, error) {
	body, ended := strings.CutSuffix(text, "\n")
	lines := strings.Split(body, "\n")
	if !ended || len(lines) < 3 {
		return Checkpoint{}, fmt.Errorf("a checkpoint has at least three lines: %q", text)
	}
	for _, line := range lines {
		if line == "" {
			return Checkpoint{}, fmt.Errorf("a checkpoint has no empty line: %q", text)
		}
	}
	size, err := ParseDecimal(lines[1])
	if err != nil {
		return Checkpoint{}, err
	}
	root, err := ParseHash(lines[2])
	if err != nil {
		return Checkpoint{}, err
	}
	return Checkpoint{Origin: lines[0], Tree: tlog.Tree{N: size, Hash: root}, Extensions: lines[3:], Text: text}, nil
}

// FormatCheckpoint writes the text of a checkpoint.
func FormatCheckpoint(origin string, tree tlog.Tree) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, tree.N, tree.Hash)
}

// ParseDecimal reads a tree size or index: ASCII digits, no leading zero.
func ParseDecimal(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != text {
		return 0, fmt.Errorf("%q is not a canonical decimal number", text)
	}
	return n, nil
}

// ParseHash reads one hash in strict base64.
func ParseHash(text string) (tlog.Hash, error) {
	var hash tlog.Hash
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != tlog.HashSize {
		return hash, fmt.Errorf("%q is not a hash", text)
	}
	copy(hash[:], raw)
	return hash, nil
}
