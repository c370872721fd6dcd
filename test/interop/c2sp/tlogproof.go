package c2sp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// A Proof is a C2SP tlog-proof file, with nothing about it verified.
type Proof struct {
	Extra      []byte
	Index      int64
	Hashes     tlog.RecordProof
	Checkpoint []byte
}

// ParseProof splits a tlog-proof file into its lines.
func ParseProof(file string) (Proof, error) {
	var proof Proof
	head, checkpoint, found := strings.Cut(file, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || lines[0] != "c2sp.org/tlog-proof@v1" {
		return proof, errors.New("not a tlog-proof file")
	}
	lines = lines[1:]
	if extra, ok := strings.CutPrefix(lines[0], "extra "); ok {
		raw, err := base64.StdEncoding.Strict().DecodeString(extra)
		if err != nil {
			return proof, err
		}
		proof.Extra, lines = raw, lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return proof, errors.New("the tlog-proof has no index line")
	}
	index, err := ParseDecimal(strings.TrimPrefix(lines[0], "index "))
	if err != nil {
		return proof, err
	}
	proof.Index = index
	for _, line := range lines[1:] {
		hash, err := ParseHash(line)
		if err != nil {
			return proof, fmt.Errorf("hash %d: %w", len(proof.Hashes), err)
		}
		proof.Hashes = append(proof.Hashes, hash)
	}
	proof.Checkpoint = []byte(checkpoint)
	return proof, nil
}
