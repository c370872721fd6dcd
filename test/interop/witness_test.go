package interop

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.example/interop/c2sp"
	"countersign.example/interop/golog"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// maxClockSkew is how far the clock of the witness may be from ours.
const maxClockSkew = 5 * time.Minute

// A client of C2SP tlog-witness, with a log of its own that was made in Go.
type witnessClient struct {
	base      string
	name      string
	keys      []string
	verifiers note.Verifiers
	log       *golog.Log
	// size is what the witness remembers.
	size int64
}

type reply struct {
	status int
	header http.Header
	body   string
}

func newWitnessClient(t *testing.T) *witnessClient {
	t.Helper()
	vkeys := strings.Fields(required(t, "INTEROP_WITNESS_VKEYS"))
	verifiers, count, err := c2sp.Verifiers(vkeys)
	must(t, err)
	if count == 0 {
		t.Fatalf("none of the keys of the witness is an Ed25519 key: %v", vkeys)
	}
	log, err := golog.New(required(t, "INTEROP_LOG_ORIGIN"), "")
	must(t, err)
	name, _, _ := strings.Cut(vkeys[0], "+")
	base := strings.TrimRight(required(t, "INTEROP_WITNESS_URL"), "/")
	return &witnessClient{base: base, name: name, keys: vkeys, verifiers: verifiers, log: log}
}

// TestWitness is one conversation, from the first request to the last: each step rests on those before it.
func TestWitness(t *testing.T) {
	w := newWitnessClient(t)
	step := func(name string, work func(t *testing.T)) {
		if !t.Failed() {
			t.Run(name, work)
		}
	}
	step("says by 409 which size it remembers, or takes a first checkpoint", w.learn)
	step("cosigns the next checkpoint: 200", func(t *testing.T) { w.advance(t, w.size+3) })
	step("does not know another log: 404", w.unknownOrigin)
	step("wants a signature of the log: 403", w.badSignatures)
	step("wants requests in their one form: 400", w.malformed)
	step("names the size that it remembers: 409", w.conflicts)
	step("wants a proof that verifies: 422", w.badProofs)
	step("does not take another root for the same size: 422", w.otherRoot)
	step("cosigns the same checkpoint again: 200", func(t *testing.T) { w.advance(t, w.size) })
	step("follows the log over the edges of its tree: 200", w.follow)
	step("takes no signature line of its own name for granted", w.forgedLine)
	step("lets one of several updates at the same time pass", w.race)
	step("serves the checkpoint that it cosigned last", w.monitoring)
}

// learn brings a first checkpoint. A witness that was here before answers with a size, and the log grows to it.
func (w *witnessClient) learn(t *testing.T) {
	first := w.request(t, 0, 7, nil)
	answer := w.post(t, first)
	switch answer.status {
	case http.StatusOK:
		w.size = 7
		w.verifyCosignatures(t, w.checkpoint(t, 7), answer.body)
		t.Log("it did not know the log before")
	case http.StatusConflict:
		w.size = conflictSize(t, answer)
		if w.size > golog.MaxSize-(1<<12) {
			t.Fatalf("it remembers size %d, which this suite does not make: use another --origin", w.size)
		}
		t.Logf("it remembers size %d", w.size)
	case http.StatusNotFound:
		t.Fatalf("it does not know the log of this suite: configure the origin %s with the key %s", w.log.Origin, w.log.Vkey)
	default:
		t.Fatalf("status %d: %s", answer.status, answer.body)
	}
}

// advance brings the checkpoint of this size and verifies the cosignature.
func (w *witnessClient) advance(t *testing.T, size int64) {
	t.Helper()
	answer := w.post(t, w.request(t, w.size, size, nil))
	if answer.status != http.StatusOK {
		t.Fatalf("from %d to %d: status %d: %s", w.size, size, answer.status, answer.body)
	}
	w.verifyCosignatures(t, w.checkpoint(t, size), answer.body)
	w.size = size
}

func (w *witnessClient) unknownOrigin(t *testing.T) {
	other, err := golog.New(w.log.Origin+"/unknown", "")
	must(t, err)
	checkpoint, err := other.Checkpoint(5)
	must(t, err)
	w.expect(t, "another origin", body(0, nil, checkpoint), http.StatusNotFound)
}

func (w *witnessClient) badSignatures(t *testing.T) {
	checkpoint := w.checkpoint(t, w.size+1)
	proof := w.proof(t, w.size, w.size+1)
	text, line, _ := strings.Cut(string(checkpoint), "\n\n")

	skey, _, err := golog.Key(w.log.Origin, "a stranger")
	must(t, err)
	stranger, err := note.NewSigner(skey)
	must(t, err)
	strange, err := note.Sign(&note.Note{Text: text + "\n"}, stranger)
	must(t, err)
	w.expect(t, "the name of the log and another key", body(w.size, proof, strange), http.StatusForbidden)

	prefix, base64Text := line[:strings.LastIndex(line, " ")+1], line[strings.LastIndex(line, " ")+1:]
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(base64Text, "\n"))
	must(t, err)
	raw[20] ^= 1
	spoiled := prefix + base64.StdEncoding.EncodeToString(raw) + "\n"
	w.expect(t, "a spoiled signature", body(w.size, proof, []byte(text+"\n\n"+spoiled)), http.StatusForbidden)
	w.expect(t, "a spoiled one beside a good one", body(w.size, proof, []byte(text+"\n\n"+spoiled+line)), http.StatusForbidden)
	w.expect(t, "a good one beside a spoiled one", body(w.size, proof, []byte(text+"\n\n"+line+spoiled)), http.StatusForbidden)

	for i := range len(text) {
		if text[i] < '1' || text[i] > '8' || !strings.Contains(text[:i], "\n") {
			continue
		}
		changed := []byte(text + "\n\n" + line)
		changed[i]++
		w.expect(t, "a changed size or root", body(w.size, proof, changed), http.StatusForbidden, http.StatusBadRequest)
		break
	}
}

func (w *witnessClient) malformed(t *testing.T) {
	checkpoint := w.checkpoint(t, w.size+1)
	proof := w.proof(t, w.size, w.size+1)
	good := body(w.size, proof, checkpoint)
	hash := base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n"
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	old := fmt.Sprintf("old %d\n", w.size)
	for name, text := range map[string]string{
		"nothing":                     "",
		"only the old size":           old,
		"no blank line":               replace("\n\n", "\n"),
		"no old line":                 replace(old, ""),
		"a leading zero":              replace("old ", "old 0"),
		"a sign":                      replace("old ", "old +"),
		"a negative size":             replace("old ", "old -"),
		"two spaces":                  replace("old ", "old  "),
		"another word":                replace("old ", "Old "),
		"hexadecimal":                 replace(old, "old 0x7\n"),
		"a size beyond 64 bits":       replace(old, "old 99999999999999999999\n"),
		"carriage returns":            strings.ReplaceAll(good, "\n", "\r\n"),
		"more than 63 proof lines":    old + strings.Repeat(hash, 64) + "\n" + string(checkpoint),
		"a hash of 31 bytes":          old + base64.StdEncoding.EncodeToString(make([]byte, 31)) + "\n\n" + string(checkpoint),
		"a proof line without base64": old + "no base64 at all\n\n" + string(checkpoint),
		"no checkpoint":               old + "\n",
	} {
		w.expect(t, name, text, http.StatusBadRequest)
	}
	unsigned := old + "\n" + strings.SplitAfter(string(checkpoint), "\n\n")[0]
	w.expect(t, "a checkpoint without signatures", unsigned, http.StatusBadRequest, http.StatusForbidden)
	above := body(w.size+2, nil, checkpoint)
	w.expect(t, "an old size above the checkpoint's", above, http.StatusBadRequest)
}

func (w *witnessClient) conflicts(t *testing.T) {
	for _, old := range []int64{0, 1, w.size - 1, w.size + 1} {
		answer := w.post(t, w.request(t, old, w.size+2, nil))
		if answer.status != http.StatusConflict {
			t.Fatalf("old %d: status %d: %s", old, answer.status, answer.body)
		}
		if got := conflictSize(t, answer); got != w.size {
			t.Fatalf("old %d: it names %d, and cosigned %d", old, got, w.size)
		}
	}
}

func (w *witnessClient) badProofs(t *testing.T) {
	to := w.size + 5
	for len(w.proof(t, w.size, to)) < 3 {
		to++
	}
	proof := w.proof(t, w.size, to)
	for i := range proof {
		changed := slices.Clone(proof)
		changed[i][i%tlog.HashSize] ^= 0x10
		w.expect(t, fmt.Sprintf("hash %d changed", i), w.request(t, w.size, to, changed), http.StatusUnprocessableEntity)
		w.expect(t, fmt.Sprintf("hash %d missing", i), w.request(t, w.size, to, slices.Delete(slices.Clone(proof), i, i+1)), http.StatusUnprocessableEntity)
	}
	w.expect(t, "no proof", body(w.size, nil, w.checkpoint(t, to)), http.StatusUnprocessableEntity)
	w.expect(t, "a hash too many", w.request(t, w.size, to, append(slices.Clone(proof), tlog.Hash{})), http.StatusUnprocessableEntity)

	other, err := golog.New(w.log.Origin, " in another history")
	must(t, err)
	forked, err := other.Checkpoint(to)
	must(t, err)
	forkedProof, err := other.Consistency(w.size, to)
	must(t, err)
	w.expect(t, "another history", body(w.size, forkedProof, forked), http.StatusUnprocessableEntity)
}

func (w *witnessClient) otherRoot(t *testing.T) {
	forked, err := w.log.SignTree(tlog.Tree{N: w.size, Hash: sha256.Sum256([]byte("another root"))})
	must(t, err)
	w.expect(t, "another root", body(w.size, nil, forked), http.StatusUnprocessableEntity)
}

func (w *witnessClient) follow(t *testing.T) {
	// The next power of two while those are near; so that the suite can come back often, only the next tile after that.
	edge := int64(256)
	for edge <= w.size+1 {
		edge += min(edge, 1<<12)
	}
	for _, size := range []int64{edge - 1, edge, edge + 1, edge + 7} {
		w.advance(t, size)
	}
}

// forgedLine brings a line with the name and key id of the witness that the witness did not make.
func (w *witnessClient) forgedLine(t *testing.T) {
	stranger := ed25519.NewKeyFromSeed(golog.Seed("a forger"))
	checkpoint := w.checkpoint(t, w.size+1)
	opened, err := note.Open(checkpoint, mustVerifiers(t, w.log.Vkey))
	must(t, err)
	forgery := append(make([]byte, 8), ed25519.Sign(stranger, []byte(opened.Text))...)
	verifier := w.anyVerifier(t)
	line := append([]byte{byte(verifier.KeyHash() >> 24), byte(verifier.KeyHash() >> 16), byte(verifier.KeyHash() >> 8), byte(verifier.KeyHash())}, forgery...)
	forged := string(checkpoint) + "— " + verifier.Name() + " " + base64.StdEncoding.EncodeToString(line) + "\n"
	answer := w.post(t, body(w.size, w.proof(t, w.size, w.size+1), []byte(forged)))
	if answer.status != http.StatusOK {
		t.Fatalf("status %d: %s", answer.status, answer.body)
	}
	w.size++
	w.verifyCosignatures(t, checkpoint, answer.body)
}

// race sends several updates from one size at the same time; each step forward is one step.
func (w *witnessClient) race(t *testing.T) {
	const contestants = 8
	requests := make([]string, contestants)
	for i := range requests {
		requests[i] = w.request(t, w.size, w.size+1+int64(i), nil)
	}
	answers := make([]reply, contestants)
	errs := make([]error, contestants)
	var group sync.WaitGroup
	for i := range requests {
		group.Go(func() { answers[i], errs[i] = w.send(requests[i]) })
	}
	group.Wait()
	winner := int64(-1)
	for i, answer := range answers {
		must(t, errs[i])
		switch {
		case answer.status == http.StatusOK && winner < 0:
			winner = w.size + 1 + int64(i)
			w.verifyCosignatures(t, w.checkpoint(t, winner), answer.body)
		case answer.status == http.StatusOK:
			t.Fatalf("it cosigned %d and %d from the same size", winner, w.size+1+int64(i))
		case answer.status != http.StatusConflict:
			t.Fatalf("status %d: %s", answer.status, answer.body)
		}
	}
	if winner < 0 {
		t.Fatal("it cosigned none of them")
	}
	for _, answer := range answers {
		if answer.status == http.StatusConflict && conflictSize(t, answer) != winner {
			t.Fatalf("it names %d, and cosigned %d", conflictSize(t, answer), winner)
		}
	}
	w.size = winner
}

func (w *witnessClient) monitoring(t *testing.T) {
	hash := sha256.Sum256([]byte(w.log.Origin))
	response, err := http.Get(fmt.Sprintf("%s/%x/checkpoint", w.base, hash))
	must(t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	must(t, err)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", response.StatusCode, raw)
	}
	opened, err := note.Open(raw, mustVerifiers(t, append(slices.Clone(w.keys), w.log.Vkey)...))
	must(t, err)
	checkpoint, err := c2sp.ParseCheckpoint(opened.Text)
	must(t, err)
	tree, err := w.log.Tree(w.size)
	must(t, err)
	if checkpoint.Tree != tree || checkpoint.Origin != w.log.Origin || len(opened.Sigs) < 2 {
		t.Fatalf("it serves %q with %d known signatures, and cosigned %v last", opened.Text, len(opened.Sigs), tree)
	}
}

// verifyCosignatures opens the checkpoint with the lines of an answer under it, as tlog-witness describes.
func (w *witnessClient) verifyCosignatures(t *testing.T, checkpoint []byte, lines string) {
	t.Helper()
	opened, err := note.Open([]byte(string(checkpoint)+lines), w.verifiers)
	must(t, err)
	for _, sig := range opened.Sigs {
		seconds, err := c2sp.Timestamp(sig)
		must(t, err)
		if skew := time.Since(time.Unix(int64(seconds), 0)); skew.Abs() > maxClockSkew {
			t.Fatalf("%s signed with a time that is %v away", sig.Name, skew)
		}
	}
	for _, sig := range append(opened.Sigs, opened.UnverifiedSigs...) {
		if sig.Name != w.name && sig.Name != w.log.Origin {
			t.Fatalf("the answer has a line of %s", sig.Name)
		}
	}
}

func (w *witnessClient) anyVerifier(t *testing.T) note.Verifier {
	t.Helper()
	for _, vkey := range w.keys {
		if verifier, err := c2sp.NewVerifier(vkey); err == nil {
			return verifier
		}
	}
	t.Fatal("no key of the witness can be checked here")
	return nil
}

func (w *witnessClient) checkpoint(t *testing.T, size int64) []byte {
	t.Helper()
	checkpoint, err := w.log.Checkpoint(size)
	must(t, err)
	return checkpoint
}

func (w *witnessClient) proof(t *testing.T, from, to int64) tlog.TreeProof {
	t.Helper()
	proof, err := w.log.Consistency(from, to)
	must(t, err)
	return proof
}

// request is the body of an add-checkpoint request; the right proof is made where none is given.
func (w *witnessClient) request(t *testing.T, from, to int64, proof tlog.TreeProof) string {
	t.Helper()
	if proof == nil {
		proof = w.proof(t, from, to)
	}
	return body(from, proof, w.checkpoint(t, to))
}

func (w *witnessClient) expect(t *testing.T, what, request string, statuses ...int) {
	t.Helper()
	answer := w.post(t, request)
	if !slices.Contains(statuses, answer.status) {
		t.Fatalf("%s: status %d, not %v: %s", what, answer.status, statuses, answer.body)
	}
	if strings.Contains(answer.body, "\u2014 ") {
		t.Fatalf("%s: it signed: %s", what, answer.body)
	}
}

func (w *witnessClient) post(t *testing.T, request string) reply {
	t.Helper()
	answer, err := w.send(request)
	must(t, err)
	return answer
}

func (w *witnessClient) send(request string) (reply, error) {
	response, err := http.Post(w.base+"/add-checkpoint", "text/plain; charset=utf-8", strings.NewReader(request))
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return reply{response.StatusCode, response.Header, string(text)}, err
}

func body(old int64, proof tlog.TreeProof, checkpoint []byte) string {
	var text strings.Builder
	fmt.Fprintf(&text, "old %d\n", old)
	for _, hash := range proof {
		fmt.Fprintf(&text, "%s\n", hash)
	}
	fmt.Fprintf(&text, "\n%s", checkpoint)
	return text.String()
}

func conflictSize(t *testing.T, answer reply) int64 {
	t.Helper()
	if got := answer.header.Get("Content-Type"); got != "text/x.tlog.size" {
		t.Fatalf("the Content-Type of a 409 is %q", got)
	}
	size, err := c2sp.ParseDecimal(strings.TrimSuffix(answer.body, "\n"))
	if err != nil || !strings.HasSuffix(answer.body, "\n") {
		t.Fatalf("the body of a 409 is %q", answer.body)
	}
	return size
}

func mustVerifiers(t *testing.T, vkeys ...string) note.Verifiers {
	t.Helper()
	verifiers, _, err := c2sp.Verifiers(vkeys)
	must(t, err)
	return verifiers
}
