// A peer of the evidence log: Go's own note and tlog packages.
//
//	peer verify VKEY < tlog-proof            says whether the entry stands in the log
//	peer grew VKEY OLDHEAD < update          checks an update for a witness against the head it knows
//	peer sign NAME SIZE                      makes a key and signs the head of a log of SIZE entries "0", "1", ...
package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	log.SetFlags(0)
	switch os.Args[1] {
	case "verify":
		verify(os.Args[2])
	case "grew":
		grew(os.Args[2], os.Args[3])
	case "sign":
		sign(os.Args[2], os.Args[3])
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// A head's text is its origin, its size and its root, a line each.
func head(raw string, verifier note.Verifier) tlog.Tree {
	opened := must(note.Open([]byte(raw), note.VerifierList(verifier)))
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		log.Fatal("no head of this log")
	}
	return tlog.Tree{N: must(strconv.ParseInt(lines[1], 10, 64)), Hash: must(tlog.ParseHash(lines[2]))}
}

func path(lines []string) []tlog.Hash {
	var hashes []tlog.Hash
	for _, line := range lines {
		hashes = append(hashes, must(tlog.ParseHash(line)))
	}
	return hashes
}

func verify(vkey string) {
	verifier := must(note.NewVerifier(vkey))
	top, raw, _ := strings.Cut(string(must(io.ReadAll(os.Stdin))), "\n\n")
	lines := strings.Split(top, "\n")
	entry := must(base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra ")))
	index := must(strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64))
	tree := head(raw, verifier)
	if err := tlog.CheckRecord(path(lines[3:]), tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		log.Fatal(err)
	}
	fmt.Println("ok")
}

func grew(vkey, oldHead string) {
	verifier := must(note.NewVerifier(vkey))
	old := head(string(must(os.ReadFile(oldHead))), verifier)
	top, raw, _ := strings.Cut(string(must(io.ReadAll(os.Stdin))), "\n\n")
	grown := head(raw, verifier)
	if err := tlog.CheckTree(path(strings.Split(top, "\n")[1:]), grown.N, grown.Hash, old.N, old.Hash); err != nil {
		log.Fatal(err)
	}
	fmt.Println("ok")
}

type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, index := range indexes {
		found = append(found, h[index])
	}
	return found, nil
}

func sign(name, count string) {
	size := must(strconv.ParseInt(count, 10, 64))
	var stored hashes
	for n := int64(0); n < size; n++ {
		stored = append(stored, must(tlog.StoredHashes(n, []byte(strconv.FormatInt(n, 10)), stored))...)
	}
	root := must(tlog.TreeHash(size, stored))
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		log.Fatal(err)
	}
	signer := must(note.NewSigner(skey))
	text := fmt.Sprintf("%s\n%d\n%s\n", name, size, root)
	signed := must(note.Sign(&note.Note{Text: text}, signer))
	fmt.Println(vkey)
	must(os.Stdout.Write(signed))
}
