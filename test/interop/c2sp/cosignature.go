package c2sp

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Signature types of C2SP signed-note.
const (
	TypeEd25519            = 0x01
	TypeEd25519Cosignature = 0x04
	TypeMLDSA44Cosignature = 0x06
)

// ErrOtherType says that a verifier key is well-formed and of a type that is not checked here (ML-DSA-44).
var ErrOtherType = errors.New("a signature type that this suite does not check")

// NewVerifier returns a verifier for keys of type 0x01, which package note makes, and 0x04, which it does not know.
func NewVerifier(vkey string) (note.Verifier, error) {
	name, id, key, err := splitKey(vkey)
	if err != nil {
		return nil, err
	}
	switch key[0] {
	case TypeEd25519:
		return note.NewVerifier(vkey)
	case TypeEd25519Cosignature:
		if len(key) != 1+ed25519.PublicKeySize {
			return nil, fmt.Errorf("the key of %s has %d bytes", name, len(key))
		}
		return &cosignatureVerifier{name, id, ed25519.PublicKey(key[1:])}, nil
	case TypeMLDSA44Cosignature:
		return nil, ErrOtherType
	}
	return nil, fmt.Errorf("signature type %#x", key[0])
}

// Verifiers returns a list of those of these keys that can be checked here, and how many those are.
func Verifiers(vkeys []string) (note.Verifiers, int, error) {
	var list []note.Verifier
	for _, vkey := range vkeys {
		verifier, err := NewVerifier(vkey)
		if errors.Is(err, ErrOtherType) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		list = append(list, verifier)
	}
	return note.VerifierList(list...), len(list), nil
}

// Timestamp reads the time, in seconds, of a cosignature on a note.
func Timestamp(sig note.Signature) (uint64, error) {
	raw, err := base64.StdEncoding.DecodeString(sig.Base64)
	if err != nil || len(raw) < 4+8 {
		return 0, errors.New("the signature has no timestamp")
	}
	return binary.BigEndian.Uint64(raw[4:12]), nil
}

// A Cosigner makes Ed25519 cosignatures (type 0x04); it is a note.Signer.
type Cosigner struct {
	name string
	id   uint32
	key  ed25519.PrivateKey
	// Time is the timestamp of what it signs, in seconds.
	Time uint64
}

// NewCosigner returns a cosigner of this name with the key of this seed.
func NewCosigner(name string, seed [32]byte) *Cosigner {
	key := ed25519.NewKeyFromSeed(seed[:])
	return &Cosigner{name: name, id: keyID(name, cosignatureKey(key)), key: key}
}

// VerifierKey is the vkey of this cosigner.
func (c *Cosigner) VerifierKey() string {
	return fmt.Sprintf("%s+%08x+%s", c.name, c.id, base64.StdEncoding.EncodeToString(cosignatureKey(c.key)))
}

// Name is part of note.Signer.
func (c *Cosigner) Name() string { return c.name }

// KeyHash is part of note.Signer.
func (c *Cosigner) KeyHash() uint32 { return c.id }

// Sign is part of note.Signer.
func (c *Cosigner) Sign(msg []byte) ([]byte, error) {
	signature := ed25519.Sign(c.key, cosignedMessage(c.Time, msg))
	return append(binary.BigEndian.AppendUint64(nil, c.Time), signature...), nil
}

type cosignatureVerifier struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

func (v *cosignatureVerifier) Name() string    { return v.name }
func (v *cosignatureVerifier) KeyHash() uint32 { return v.id }

// Verify checks a timestamped signature over a checkpoint (tlog-cosignature, "Ed25519 signed message").
func (v *cosignatureVerifier) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	return ed25519.Verify(v.key, cosignedMessage(binary.BigEndian.Uint64(sig), msg), sig[8:])
}

func cosignedMessage(time uint64, msg []byte) []byte {
	return append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", time), msg...)
}

func cosignatureKey(key ed25519.PrivateKey) []byte {
	return append([]byte{TypeEd25519Cosignature}, key.Public().(ed25519.PublicKey)...)
}

func splitKey(vkey string) (name string, id uint32, key []byte, err error) {
	name, rest, _ := strings.Cut(vkey, "+")
	hex, b64, found := strings.Cut(rest, "+")
	key, err = base64.StdEncoding.DecodeString(b64)
	if !found || err != nil || len(key) < 2 || name == "" {
		return "", 0, nil, fmt.Errorf("%q is not a verifier key", vkey)
	}
	id = keyID(name, key)
	if fmt.Sprintf("%08x", id) != hex {
		return "", 0, nil, fmt.Errorf("the id in %q is not that of the key", vkey)
	}
	return name, id, key, nil
}

// keyID is SHA-256(name ‖ 0x0A ‖ type ‖ key)[:4]; key begins with its type.
func keyID(name string, key []byte) uint32 {
	digest := sha256.Sum256(append([]byte(name+"\n"), key...))
	return binary.BigEndian.Uint32(digest[:])
}
