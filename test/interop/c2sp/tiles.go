package c2sp

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// TileHeight is the height of every C2SP tile: 256 hashes.
const TileHeight = 8

// maxBundleBytes bounds an entry bundle: 256 entries of at most 65,535 bytes, each with its length.
const maxBundleBytes = 256 * (2 + 65535)

// TilePath is the path of a tile in C2SP tlog-tiles. The paths of package tlog name the height, too, and call the level
// of the entries "data" (tile/8/0/x001/234, tile/8/data/000); those of C2SP do not (tile/0/x001/234, tile/entries/000).
func TilePath(t tlog.Tile) string {
	if t.H != TileHeight {
		panic("a C2SP tile has height 8")
	}
	rest := strings.TrimPrefix(t.Path(), "tile/8/")
	if data, ok := strings.CutPrefix(rest, "data/"); ok {
		return "tile/entries/" + data
	}
	return "tile/" + rest
}

// A Source fetches the files of a tiled log by HTTP. It is a tlog.TileReader that believes nothing: tlog.TileHashReader
// checks each tile against the tree.
type Source struct {
	// Base is the URL of the log, without a slash at the end.
	Base   string
	client http.Client

	mu    sync.Mutex
	saved map[tlog.Tile][]byte
}

// NewSource returns a source for the log at this URL.
func NewSource(base string) *Source {
	return &Source{
		Base:   strings.TrimRight(base, "/"),
		client: http.Client{Timeout: 30 * time.Second},
		saved:  make(map[tlog.Tile][]byte),
	}
}

// An Answer is a whole response.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Get fetches one file of the log.
func (s *Source) Get(path string) (Answer, error) {
	response, err := s.client.Get(s.Base + "/" + path)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBundleBytes+1))
	if err != nil {
		return Answer{}, err
	}
	if len(body) > maxBundleBytes {
		return Answer{}, fmt.Errorf("%s is longer than any file of a log", path)
	}
	return Answer{response.StatusCode, response.Header, body}, nil
}

// Height is part of tlog.TileReader.
func (s *Source) Height() int { return TileHeight }

// ReadTiles is part of tlog.TileReader.
func (s *Source) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		bytes, err := s.readTile(tile)
		if err != nil {
			return nil, err
		}
		data[i] = bytes
	}
	return data, nil
}

// SaveTiles is part of tlog.TileReader; it is given only what was checked.
func (s *Source) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, tile := range tiles {
		s.saved[tile] = data[i]
	}
}

func (s *Source) readTile(tile tlog.Tile) ([]byte, error) {
	s.mu.Lock()
	saved := s.saved[tile]
	s.mu.Unlock()
	if saved != nil {
		return saved, nil
	}
	bytes, err := s.getTile(tile)
	if err != nil {
		return nil, err
	}
	if len(bytes) != tile.W*tlog.HashSize {
		return nil, fmt.Errorf("%s has %d bytes", TilePath(tile), len(bytes))
	}
	return bytes, nil
}

// getTile fetches a tile. A partial one may be gone once the full one exists (tlog-tiles, "Partial Tiles").
func (s *Source) getTile(tile tlog.Tile) ([]byte, error) {
	answer, err := s.Get(TilePath(tile))
	if err != nil {
		return nil, err
	}
	if answer.Status == http.StatusNotFound && tile.W < 1<<TileHeight {
		full := tile
		full.W = 1 << TileHeight
		if answer, err = s.Get(TilePath(full)); err == nil && len(answer.Body) > tile.W*tlog.HashSize {
			answer.Body = answer.Body[:tile.W*tlog.HashSize]
		}
	}
	if err != nil {
		return nil, err
	}
	if answer.Status != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", TilePath(tile), answer.Status)
	}
	return answer.Body, nil
}

// Entries fetches the entry bundle with this index, which holds at least width entries, and splits it.
func (s *Source) Entries(index int64, width int) ([][]byte, error) {
	tile := tlog.Tile{H: TileHeight, L: -1, N: index, W: width}
	answer, err := s.Get(TilePath(tile))
	if err == nil && answer.Status == http.StatusNotFound {
		tile.W = 1 << TileHeight
		answer, err = s.Get(TilePath(tile))
	}
	if err != nil {
		return nil, err
	}
	if answer.Status != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", TilePath(tile), answer.Status)
	}
	entries, err := SplitBundle(answer.Body)
	if err == nil && len(entries) < width {
		err = fmt.Errorf("%s has %d entries", TilePath(tile), len(entries))
	}
	if err != nil {
		return nil, err
	}
	return entries[:width], nil
}

// SplitBundle splits an entry bundle: each entry after its length in two bytes, big-endian.
func SplitBundle(bundle []byte) ([][]byte, error) {
	var entries [][]byte
	for len(bundle) > 0 {
		if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
			return nil, fmt.Errorf("the entry bundle is cut off after %d entries", len(entries))
		}
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		entries = append(entries, bundle[2:end])
		bundle = bundle[end:]
	}
	return entries, nil
}
