package badgerengine

import (
	"log/slog"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// Options of a folder; the zero value is right for most.
type Options struct {
	// EncryptionKey encrypts everything at rest with AES: 16, 24 or 32 bytes.
	// Empty means no encryption. A folder keeps the choice of its first opening.
	EncryptionKey []byte
	// Logger takes what Badger has to say; nil means silence.
	Logger *slog.Logger
	// AllowNetworkFS opens a folder on a file system that is known to be remote
	// or in user space. It is for those who know that theirs keeps flock, mmap
	// and fsync honest: losing that gamble loses acknowledged locks, or lets two
	// processes write to one ledger [B8].
	AllowNetworkFS bool
	// SkipVerify opens without reading all tables first. Opening a large folder
	// gets faster (verification reads about 1 GB/s), and a damaged one may miss
	// keys without a word.
	SkipVerify bool
	// AboveEpoch makes the epoch of this opening larger than it: that of the folder
	// from which a new one is restored.
	AboveEpoch uint64
}

const (
	// memTableSize bounds a table in memory, and the log that must be replayed
	// after a crash; a hospital's sidecar is small.
	memTableSize = 32 << 20
	// memTables may wait for their flush before a writer has to.
	memTables = 3
	// blockSize is the piece of a table that is read at once.
	blockSize = 4 << 10
	// valueLogSize is the least that Badger takes; nothing ever goes there.
	valueLogSize = 1 << 20
	// cacheSize serves encrypted folders only, where reading a block means to
	// decrypt it. Others read their tables through the page cache.
	cacheSize = 32 << 20

	// magic in Badger's MANIFEST: "HG".
	magic = 0x4847

	// Reserve is what the folder may still claim, in bytes, without a single
	// further write: Badger extends its logs by holes twice the size of a table,
	// and a compaction needs room before it gives some back. Below this, Free is
	// not to be trusted, and a full disk kills the process [B10].
	Reserve = (memTables+1)*2*memTableSize + 2*valueLogSize + 64<<20
)

func (o Options) badger(dir string) badger.Options {
	b := badger.DefaultOptions(dir).
		WithSyncWrites(badgerSyncs).
		WithDetectConflicts(false). // one writer
		WithMetricsEnabled(false).  // expvar is global
		WithCompression(options.None).
		WithMemTableSize(memTableSize).
		WithNumMemtables(memTables).
		WithBlockSize(blockSize).
		WithNumCompactors(2).
		WithValueLogFileSize(valueLogSize).
		WithBlockCacheSize(0).
		WithIndexCacheSize(0).
		WithExternalMagic(magic).
		WithLogger(newLogger(o.Logger))
	if len(o.EncryptionKey) > 0 {
		// Badger panics without these two when it encrypts.
		b = b.WithEncryptionKey(o.EncryptionKey).
			WithBlockCacheSize(cacheSize).
			WithIndexCacheSize(cacheSize)
	}
	return b
}
