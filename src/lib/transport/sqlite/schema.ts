/**
 * The bus file's tables. `msg` is the one log: its sequence order is commit order, because SQLite has one writer at a
 * time, so a cursor `seq > ?` never skips a late commit. It has no second index, which would cost half of the insert
 * speed, and its newest row is never deleted, so that sequences never restart. Messages to a client's inbox are stored
 * separately in `eph`, for a minute.
 *
 * A stream is a view of the log. A row of `held` represents the messages of one subject in a stream: all of them from
 * `held.first` and from `stream.first` on, so removing messages from a stream moves one of the two. A row whose `sid` is
 * negative was refused by its subject's stream and is kept only for subscribers. `kept` lists the sequences of each subject
 * if a stream has a limit per subject. A row of `flight` is a range of a consumer's messages between delivery and
 * acknowledgement, with its owner (NULL while it waits for redelivery) and its deadline in milliseconds.
 *
 * `meta` has, among others, a row `departed.N` for each stream with messages that left it and still have rows (departed.ts).
 *
 * `subject` has the names that messages and streams have, and loses the others after a while, but never the newest, so that
 * no number is given out twice; `idle` lists those that are being examined (unused-names.ts).
 *
 * `expiry` has the messages with a TTL, in files with a stream that allows it (streams/expiry.ts).
 *
 * `chain` comes first, so that its one row is on page 3, after SQLite's own two (wal-chain.ts).
 */
import {applicationId} from './db.ts'

/** The version of a file with a work queue, retention interest or TTLs: earlier versions of busline would not remove their messages. */
export const consumedVersion = 2000
/** Major * 1000 + minor. A newer minor version only adds; a newer major version is refused. */
const schemaVersion = 1002
/** Since this version there is `chain`; `idle`, added by 1002, is created if it is missing. */
export const chainVersion = 1001

/** The tables that are read and written. */
export const busFileTables: ReadonlySet<string> = new Set(
  'chain meta subject idle msg eph client interest qgroup stream held kept dedup consumer flight dead expiry'.split(
    ' ',
  ),
)

/** Times are Unix microseconds. A payload is TEXT if it was published as text, else BLOB; NULL if empty. */
export const busFileSchema = `
CREATE TABLE chain(link BLOB NOT NULL, previous BLOB NOT NULL) STRICT;
INSERT INTO chain VALUES (randomblob(8), zeroblob(8));

CREATE TABLE meta(k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID;
CREATE TABLE subject(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE idle(sid INTEGER PRIMARY KEY) STRICT;
CREATE TABLE msg(seq INTEGER PRIMARY KEY, sid INTEGER NOT NULL, ts INTEGER NOT NULL,
                 reply TEXT, hdr TEXT, data ANY) STRICT;
CREATE TABLE eph(seq INTEGER PRIMARY KEY, dst INTEGER NOT NULL, subject TEXT NOT NULL, ts INTEGER NOT NULL,
                 reply TEXT, hdr TEXT, data ANY) STRICT;

CREATE TABLE client(id INTEGER PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL,
                    name TEXT, beat INTEGER NOT NULL) STRICT;
CREATE TABLE interest(id INTEGER PRIMARY KEY, client INTEGER NOT NULL, pattern TEXT NOT NULL, queue TEXT) STRICT;
CREATE TABLE qgroup(name TEXT NOT NULL, pattern TEXT NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL,
                    PRIMARY KEY(name, pattern)) STRICT, WITHOUT ROWID;

CREATE TABLE stream(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, config TEXT NOT NULL, created INTEGER NOT NULL,
                    first INTEGER NOT NULL, last INTEGER NOT NULL, ts INTEGER NOT NULL, mid TEXT NOT NULL,
                    stored INTEGER NOT NULL, messages INTEGER NOT NULL, bytes INTEGER NOT NULL,
                    holes INTEGER NOT NULL) STRICT;
CREATE TABLE held(sid INTEGER PRIMARY KEY, stream INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
                  messages INTEGER NOT NULL, bytes INTEGER NOT NULL, width INTEGER NOT NULL) STRICT;
CREATE TABLE kept(sid INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(sid, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE dedup(id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, mid TEXT NOT NULL, seq INTEGER NOT NULL,
                   until INTEGER NOT NULL, UNIQUE(stream, mid)) STRICT;
CREATE INDEX dedup_until ON dedup(until);

CREATE TABLE consumer(id INTEGER PRIMARY KEY AUTOINCREMENT, stream INTEGER NOT NULL, name TEXT NOT NULL, config TEXT NOT NULL,
                      created INTEGER NOT NULL, epoch INTEGER NOT NULL, next INTEGER NOT NULL, passed INTEGER NOT NULL,
                      delivered INTEGER NOT NULL, active INTEGER, UNIQUE(stream, name)) STRICT;
CREATE TABLE flight(consumer INTEGER NOT NULL, lo INTEGER NOT NULL, hi INTEGER NOT NULL, messages INTEGER NOT NULL,
                    tries INTEGER NOT NULL, owner INTEGER, due INTEGER NOT NULL,
                    PRIMARY KEY(consumer, lo)) STRICT, WITHOUT ROWID;
CREATE TABLE dead(consumer INTEGER NOT NULL, seq INTEGER NOT NULL, tries INTEGER NOT NULL, reason TEXT NOT NULL,
                  ts INTEGER NOT NULL, subject TEXT NOT NULL, hdr TEXT, data ANY,
                  PRIMARY KEY(consumer, seq)) STRICT, WITHOUT ROWID;

INSERT INTO meta VALUES ('interests', 0), ('streams', 0), ('pruned', 0), ('id', lower(hex(randomblob(16))));
PRAGMA application_id = ${applicationId};
PRAGMA user_version = ${schemaVersion};
`

/** Added with the first stream that allows TTLs. Times are Unix milliseconds. */
export const expirySchema = `
CREATE TABLE IF NOT EXISTS expiry(seq INTEGER PRIMARY KEY, stream INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS expiry_at ON expiry(stream, at);
`
