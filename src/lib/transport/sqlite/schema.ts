/**
 * The bus file's tables. `msg` is the one log: its sequence order is commit order, because SQLite has one writer at a
 * time, so a cursor `seq > ?` never skips a late commit. It has no second index, which would cost half of the insert
 * speed, and its newest row is never deleted, so that sequences never restart. What is addressed to one client's inbox
 * lies apart in `eph`, and is gone after a minute.
 */

/** "NBUS": how a bus file is told from any other SQLite database. */
export const applicationId = 0x4e425553

/** Major * 1000 + minor. A newer minor only adds; a newer major is refused. */
export const schemaVersion = 1000

/** Times are Unix microseconds. A payload is TEXT when it was published as text, else BLOB; NULL when empty. */
export const schema = `
CREATE TABLE meta(k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID;
CREATE TABLE subject(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE msg(seq INTEGER PRIMARY KEY, sid INTEGER NOT NULL, ts INTEGER NOT NULL,
                 reply TEXT, hdr TEXT, data ANY) STRICT;
CREATE TABLE eph(seq INTEGER PRIMARY KEY, dst INTEGER NOT NULL, subject TEXT NOT NULL, ts INTEGER NOT NULL,
                 reply TEXT, hdr TEXT, data ANY) STRICT;

CREATE TABLE client(id INTEGER PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL,
                    name TEXT, beat INTEGER NOT NULL) STRICT;
CREATE TABLE interest(id INTEGER PRIMARY KEY, client INTEGER NOT NULL, pattern TEXT NOT NULL, queue TEXT) STRICT;
CREATE TABLE qgroup(name TEXT NOT NULL, pattern TEXT NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL,
                    PRIMARY KEY(name, pattern)) STRICT, WITHOUT ROWID;

CREATE TABLE stream(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, subjects TEXT NOT NULL, config TEXT NOT NULL,
                    created INTEGER NOT NULL) STRICT;
CREATE TABLE consumer(id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, name TEXT NOT NULL, config TEXT NOT NULL,
                      next INTEGER NOT NULL, floor INTEGER NOT NULL, updated INTEGER NOT NULL,
                      UNIQUE(stream, name)) STRICT;
CREATE TABLE lease(id INTEGER PRIMARY KEY, cid INTEGER NOT NULL, lo INTEGER NOT NULL, hi INTEGER NOT NULL,
                   owner INTEGER NOT NULL, deadline INTEGER NOT NULL, tries INTEGER NOT NULL) STRICT;
CREATE TABLE redo(cid INTEGER, seq INTEGER, due INTEGER NOT NULL, tries INTEGER NOT NULL,
                  PRIMARY KEY(cid, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE dead(cid INTEGER, seq INTEGER, tries INTEGER NOT NULL, reason TEXT NOT NULL, ts INTEGER NOT NULL,
                  subject TEXT NOT NULL, hdr TEXT, data ANY, PRIMARY KEY(cid, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE dedup(mid TEXT PRIMARY KEY, seq INTEGER NOT NULL, ts INTEGER NOT NULL) STRICT, WITHOUT ROWID;

INSERT INTO meta VALUES ('interests', 0);
PRAGMA application_id = ${applicationId};
PRAGMA user_version = ${schemaVersion};
`
