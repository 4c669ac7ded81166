BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0003');
CREATE TABLE alias (
	mirror TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	path TEXT NOT NULL, 
	PRIMARY KEY (mirror, "key"), 
	CONSTRAINT alias_path UNIQUE (mirror, path)
);
INSERT INTO "alias" VALUES('docs','key1','folder/name 1.docx');
INSERT INTO "alias" VALUES('docs','key2','folder/name 2.docx');
CREATE TABLE begun_conflict (
	mirror TEXT NOT NULL, 
	version TEXT NOT NULL, 
	path TEXT NOT NULL, 
	copy_path TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	mtime_ns BIGINT, 
	parent TEXT, 
	created_at TEXT NOT NULL, 
	PRIMARY KEY (mirror, version)
);
INSERT INTO "begun_conflict" VALUES('docs','01000000000000000000000001','folder/name 1.docx','folder/name 1.docx','0000000000000000000000000000000000000000000000000000000000000001',1,1,'parent1','2026-01-01T00:00:00.000000Z');
INSERT INTO "begun_conflict" VALUES('docs','01000000000000000000000002','folder/name 2.docx','folder/name 2.docx','0000000000000000000000000000000000000000000000000000000000000002',2,2,'parent2','2026-01-02T00:00:00.000000Z');
CREATE TABLE "conflict" (
	id INTEGER NOT NULL, 
	mirror TEXT NOT NULL, 
	path TEXT NOT NULL, 
	copy_path TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	settled_at TEXT, 
	PRIMARY KEY (id), 
	CONSTRAINT conflict_paths UNIQUE (mirror, path, copy_path)
);
INSERT INTO "conflict" VALUES(1,'docs','folder/name 1.docx','folder/name 1.docx','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z');
INSERT INTO "conflict" VALUES(2,'docs','folder/name 2.docx','folder/name 2.docx','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z');
CREATE TABLE deletion (
	id INTEGER NOT NULL, 
	mirror TEXT NOT NULL, 
	path TEXT NOT NULL, 
	side TEXT NOT NULL, 
	token TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	hold INTEGER, 
	PRIMARY KEY (id), 
	CONSTRAINT deletion_side CHECK (side IN ('local', 'remote')), 
	CONSTRAINT deletion_hold FOREIGN KEY(hold) REFERENCES hold (id)
);
INSERT INTO "deletion" VALUES(1,'docs','folder/name 1.docx','local','token1','0000000000000000000000000000000000000000000000000000000000000001',1);
INSERT INTO "deletion" VALUES(2,'docs','folder/name 2.docx','remote','token2','0000000000000000000000000000000000000000000000000000000000000002',2);
CREATE TABLE history (
	id INTEGER NOT NULL, 
	at TEXT NOT NULL, 
	mirror TEXT NOT NULL, 
	path TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	version TEXT, 
	moved_bytes BIGINT NOT NULL, 
	took_s FLOAT NOT NULL, 
	note TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "history" VALUES(1,'2026-01-01T00:00:00.000000Z','docs','folder/name 1.docx','upload','01000000000000000000000001',1,1.0,'note1');
INSERT INTO "history" VALUES(2,'2026-01-02T00:00:00.000000Z','docs','folder/name 2.docx','upload','01000000000000000000000002',2,2.0,'note2');
CREATE TABLE hold (
	id INTEGER NOT NULL, 
	mirror TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	state TEXT NOT NULL, 
	count BIGINT NOT NULL, 
	created_at TEXT NOT NULL, 
	decided_at TEXT, 
	finished_at TEXT, 
	decision TEXT, 
	PRIMARY KEY (id), 
	CONSTRAINT hold_kind CHECK (kind IN ('deletions', 'identity', 'rewind')), 
	CONSTRAINT hold_state CHECK (state IN ('open', 'approved', 'discarded', 'done'))
);
INSERT INTO "hold" VALUES(1,'docs','deletions','reason1','open',1,'2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','approved');
INSERT INTO "hold" VALUES(2,'docs','identity','reason2','approved',2,'2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','approved');
INSERT INTO "hold" VALUES(3,'docs','rewind','reason3','discarded',3,'2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','approved');
INSERT INTO "hold" VALUES(4,'docs','deletions','reason4','done',4,'2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','approved');
CREATE TABLE intent (
	mirror TEXT NOT NULL, 
	path TEXT NOT NULL, 
	version TEXT NOT NULL, 
	PRIMARY KEY (mirror, path, version)
)
 WITHOUT ROWID

;
INSERT INTO "intent" VALUES('docs','folder/name 1.docx','01000000000000000000000001');
INSERT INTO "intent" VALUES('docs','folder/name 2.docx','01000000000000000000000002');
CREATE TABLE job (
	id TEXT NOT NULL, 
	rule TEXT NOT NULL, 
	mirror TEXT NOT NULL, 
	path TEXT NOT NULL, 
	version TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	recipe TEXT NOT NULL, 
	target_mirror TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	state TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	run_at TEXT NOT NULL, 
	lease_until TEXT, 
	finished_at TEXT, 
	last_error TEXT, 
	result_path TEXT, 
	PRIMARY KEY (id), 
	CONSTRAINT job_state CHECK (state IN ('queued', 'running', 'done', 'dead')), 
	CONSTRAINT job_content UNIQUE (sha256, recipe)
);
INSERT INTO "job" VALUES('01000000000000000000000001','text','docs','folder/name 1.docx','01000000000000000000000001','0000000000000000000000000000000000000000000000000000000000000001','r1','docs','2026-01-01T00:00:00.000000Z','queued',1,'2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','last_error1','folder/name 1.docx');
INSERT INTO "job" VALUES('01000000000000000000000002','text','docs','folder/name 2.docx','01000000000000000000000002','0000000000000000000000000000000000000000000000000000000000000002','r1','docs','2026-01-02T00:00:00.000000Z','running',2,'2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','last_error2','folder/name 2.docx');
INSERT INTO "job" VALUES('01000000000000000000000003','text','docs','folder/name 3.docx','01000000000000000000000003','0000000000000000000000000000000000000000000000000000000000000003','r1','docs','2026-01-03T00:00:00.000000Z','done',3,'2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','last_error3','folder/name 3.docx');
INSERT INTO "job" VALUES('01000000000000000000000004','text','docs','folder/name 4.docx','01000000000000000000000004','0000000000000000000000000000000000000000000000000000000000000004','r1','docs','2026-01-04T00:00:00.000000Z','dead',4,'2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','last_error4','folder/name 4.docx');
CREATE TABLE mirror (
	name TEXT NOT NULL, 
	marker_id TEXT, 
	store TEXT NOT NULL, 
	bucket TEXT NOT NULL, 
	prefix TEXT NOT NULL, 
	local TEXT NOT NULL, 
	mode TEXT NOT NULL, 
	health TEXT NOT NULL, 
	reason TEXT, 
	since TEXT NOT NULL, 
	last_poll_at TEXT, 
	last_scan_at TEXT, 
	last_full_at TEXT, 
	dirty BIGINT NOT NULL, 
	oldest_dirty_at TEXT, 
	progress TEXT, 
	profile JSON NOT NULL, 
	updated_at TEXT NOT NULL, 
	PRIMARY KEY (name), 
	CONSTRAINT mirror_mode CHECK (mode IN ('two-way', 'push', 'pull')), 
	CONSTRAINT mirror_health CHECK (health IN ('starting', 'in-step', 'working', 'waiting', 'blocked', 'unreachable'))
);
INSERT INTO "mirror" VALUES('docs','marker_id1','main','documents','docs/','/srv/docs','two-way','starting','reason1','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z',1,'2026-01-01T00:00:00.000000Z','progress1','{}','2026-01-01T00:00:00.000000Z');
INSERT INTO "mirror" VALUES('name2','marker_id2','main','documents','docs/','/srv/docs','push','in-step','reason2','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z',2,'2026-01-02T00:00:00.000000Z','progress2','{}','2026-01-02T00:00:00.000000Z');
INSERT INTO "mirror" VALUES('name3','marker_id3','main','documents','docs/','/srv/docs','pull','working','reason3','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z',3,'2026-01-03T00:00:00.000000Z','progress3','{}','2026-01-03T00:00:00.000000Z');
INSERT INTO "mirror" VALUES('name4','marker_id4','main','documents','docs/','/srv/docs','two-way','waiting','reason4','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z',4,'2026-01-04T00:00:00.000000Z','progress4','{}','2026-01-04T00:00:00.000000Z');
INSERT INTO "mirror" VALUES('name5','marker_id5','main','documents','docs/','/srv/docs','push','blocked','reason5','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z',5,'2026-01-05T00:00:00.000000Z','progress5','{}','2026-01-05T00:00:00.000000Z');
INSERT INTO "mirror" VALUES('name6','marker_id6','main','documents','docs/','/srv/docs','pull','unreachable','reason6','2026-01-06T00:00:00.000000Z','2026-01-06T00:00:00.000000Z','2026-01-06T00:00:00.000000Z','2026-01-06T00:00:00.000000Z',6,'2026-01-06T00:00:00.000000Z','progress6','{}','2026-01-06T00:00:00.000000Z');
CREATE TABLE patrol (
	mirror TEXT NOT NULL, 
	began_at TEXT NOT NULL, 
	phase TEXT NOT NULL, 
	cursor TEXT NOT NULL, 
	checked BIGINT NOT NULL, 
	total BIGINT NOT NULL, 
	found BIGINT NOT NULL, 
	finished_at TEXT, 
	PRIMARY KEY (mirror)
);
INSERT INTO "patrol" VALUES('docs1','2026-01-01T00:00:00.000000Z','current','cursor1',1,1,1,'2026-01-01T00:00:00.000000Z');
INSERT INTO "patrol" VALUES('docs2','2026-01-02T00:00:00.000000Z','current','cursor2',2,2,2,'2026-01-02T00:00:00.000000Z');
CREATE TABLE problem (
	mirror TEXT NOT NULL, 
	path TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	message TEXT NOT NULL, 
	since TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	retry_at TEXT, 
	PRIMARY KEY (mirror, path)
);
INSERT INTO "problem" VALUES('docs','folder/name 1.docx','upload','message1','2026-01-01T00:00:00.000000Z',1,'2026-01-01T00:00:00.000000Z');
INSERT INTO "problem" VALUES('docs','folder/name 2.docx','upload','message2','2026-01-02T00:00:00.000000Z',2,'2026-01-02T00:00:00.000000Z');
CREATE TABLE request (
	id INTEGER NOT NULL, 
	mirror TEXT NOT NULL, 
	path TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	version TEXT, 
	expect TEXT, 
	hold INTEGER, 
	state TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	finished_at TEXT, 
	note TEXT, 
	PRIMARY KEY (id), 
	CONSTRAINT request_kind CHECK (kind IN ('restore', 'remove', 'heal-local', 'heal-remote', 'erase', 'retention')), 
	CONSTRAINT request_state CHECK (state IN ('held', 'open', 'done', 'conflict', 'skipped', 'failed')), 
	CONSTRAINT request_hold FOREIGN KEY(hold) REFERENCES hold (id)
);
INSERT INTO "request" VALUES(1,'docs','folder/name 1.docx','restore','01000000000000000000000001','expect1',1,'held','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','note1');
INSERT INTO "request" VALUES(2,'docs','folder/name 2.docx','remove','01000000000000000000000002','expect2',1,'open','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','note2');
INSERT INTO "request" VALUES(3,'docs','folder/name 3.docx','heal-local','01000000000000000000000003','expect3',1,'done','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','note3');
INSERT INTO "request" VALUES(4,'docs','folder/name 4.docx','heal-remote','01000000000000000000000004','expect4',1,'conflict','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','note4');
INSERT INTO "request" VALUES(5,'docs','folder/name 5.docx','erase','01000000000000000000000005','expect5',1,'skipped','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z','note5');
INSERT INTO "request" VALUES(6,'docs','folder/name 6.docx','retention','01000000000000000000000006','expect6',1,'failed','2026-01-06T00:00:00.000000Z','2026-01-06T00:00:00.000000Z','note6');
CREATE TABLE setting (
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "setting" VALUES('instance','0123456789abcdef');
CREATE TABLE snapshot (
	mirror TEXT NOT NULL, 
	id TEXT NOT NULL, 
	taken_at TEXT NOT NULL, 
	last_history BIGINT NOT NULL, 
	size BIGINT NOT NULL, 
	took_s FLOAT NOT NULL, 
	PRIMARY KEY (mirror)
);
INSERT INTO "snapshot" VALUES('docs1','01000000000000000000000001','2026-01-01T00:00:00.000000Z',1,1,1.0);
INSERT INTO "snapshot" VALUES('docs2','01000000000000000000000002','2026-01-02T00:00:00.000000Z',2,2,2.0);
CREATE TABLE synced (
	mirror TEXT NOT NULL, 
	path TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	local_token TEXT NOT NULL, 
	remote_token TEXT NOT NULL, 
	version TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	odd BOOLEAN NOT NULL, 
	PRIMARY KEY (mirror, path)
)
 WITHOUT ROWID

;
INSERT INTO "synced" VALUES('docs','folder/name 1.docx','0000000000000000000000000000000000000000000000000000000000000001','local_token1','remote_token1','01000000000000000000000001',1,1);
INSERT INTO "synced" VALUES('docs','folder/name 2.docx','0000000000000000000000000000000000000000000000000000000000000002','local_token2','remote_token2','01000000000000000000000002',2,0);
CREATE TABLE upload (
	mirror TEXT NOT NULL, 
	bucket TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	upload_id TEXT NOT NULL, 
	begun_at TEXT NOT NULL, 
	PRIMARY KEY (mirror, bucket, "key", upload_id)
);
INSERT INTO "upload" VALUES('docs','documents','key1','upload_id1','2026-01-01T00:00:00.000000Z');
INSERT INTO "upload" VALUES('docs','documents','key2','upload_id2','2026-01-02T00:00:00.000000Z');
CREATE TABLE "version" (
	id TEXT NOT NULL, 
	mirror TEXT NOT NULL, 
	path TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	mtime_ns BIGINT, 
	origin TEXT NOT NULL, 
	parent TEXT, 
	etag TEXT, 
	created_at TEXT NOT NULL, 
	archived_local BOOLEAN NOT NULL, 
	archived_remote BOOLEAN NOT NULL, 
	left_at TEXT, 
	bytes_of TEXT, 
	store_version TEXT, 
	held BOOLEAN NOT NULL, 
	agreed BOOLEAN NOT NULL, 
	gone_at TEXT, 
	PRIMARY KEY (id), 
	CONSTRAINT version_origin CHECK (origin IN ('local', 'store', 'drop', 'conversion', 'restore', 'api', 'evidence'))
)
 WITHOUT ROWID

;
INSERT INTO "version" VALUES('01000000000000000000000001','docs','folder/name 1.docx','0000000000000000000000000000000000000000000000000000000000000001',1,1,'local','parent1','etag1','2026-01-01T00:00:00.000000Z',1,1,'2026-01-01T00:00:00.000000Z','bytes_of1','store_version1',1,1,'2026-01-01T00:00:00.000000Z');
INSERT INTO "version" VALUES('01000000000000000000000002','docs','folder/name 2.docx','0000000000000000000000000000000000000000000000000000000000000002',2,2,'store','parent2','etag2','2026-01-02T00:00:00.000000Z',0,0,'2026-01-02T00:00:00.000000Z','bytes_of2','store_version2',0,0,'2026-01-02T00:00:00.000000Z');
INSERT INTO "version" VALUES('01000000000000000000000003','docs','folder/name 3.docx','0000000000000000000000000000000000000000000000000000000000000003',3,3,'drop','parent3','etag3','2026-01-03T00:00:00.000000Z',1,1,'2026-01-03T00:00:00.000000Z','bytes_of3','store_version3',1,1,'2026-01-03T00:00:00.000000Z');
INSERT INTO "version" VALUES('01000000000000000000000004','docs','folder/name 4.docx','0000000000000000000000000000000000000000000000000000000000000004',4,4,'conversion','parent4','etag4','2026-01-04T00:00:00.000000Z',0,0,'2026-01-04T00:00:00.000000Z','bytes_of4','store_version4',0,0,'2026-01-04T00:00:00.000000Z');
INSERT INTO "version" VALUES('01000000000000000000000005','docs','folder/name 5.docx','0000000000000000000000000000000000000000000000000000000000000005',5,5,'restore','parent5','etag5','2026-01-05T00:00:00.000000Z',1,1,'2026-01-05T00:00:00.000000Z','bytes_of5','store_version5',1,1,'2026-01-05T00:00:00.000000Z');
INSERT INTO "version" VALUES('01000000000000000000000006','docs','folder/name 6.docx','0000000000000000000000000000000000000000000000000000000000000006',6,6,'api','parent6','etag6','2026-01-06T00:00:00.000000Z',0,0,'2026-01-06T00:00:00.000000Z','bytes_of6','store_version6',0,0,'2026-01-06T00:00:00.000000Z');
INSERT INTO "version" VALUES('01000000000000000000000007','docs','folder/name 7.docx','0000000000000000000000000000000000000000000000000000000000000007',7,7,'evidence','parent7','etag7','2026-01-07T00:00:00.000000Z',1,1,'2026-01-07T00:00:00.000000Z','bytes_of7','store_version7',1,1,'2026-01-07T00:00:00.000000Z');
CREATE INDEX synced_sha256 ON synced (mirror, sha256);
CREATE INDEX synced_odd ON synced (mirror, odd) WHERE odd IS 1;
CREATE INDEX history_path ON history (mirror, path);
CREATE INDEX history_kind ON history (mirror, kind, at);
CREATE INDEX deletion_held ON deletion (hold, path);
CREATE UNIQUE INDEX deletion_parked ON deletion (mirror, path) WHERE hold IS NULL;
CREATE INDEX job_due ON job (state, run_at);
CREATE INDEX version_path ON version (mirror, path);
CREATE INDEX version_sha256 ON version (mirror, sha256);
CREATE INDEX version_created ON version (mirror, created_at);
CREATE INDEX version_current ON version (mirror, path) WHERE left_at IS NULL;
CREATE INDEX version_left ON version (mirror, left_at) WHERE left_at IS NOT NULL AND gone_at IS NULL;
CREATE INDEX version_to_bring_up ON version (mirror, id) WHERE left_at IS NOT NULL AND gone_at IS NULL AND archived_remote IS 0;
CREATE INDEX version_to_remove ON version (mirror, id) WHERE gone_at IS NOT NULL AND (archived_local IS 1 OR archived_remote IS 1);
CREATE INDEX version_bytes_of ON version (bytes_of);
CREATE INDEX hold_state ON hold (mirror, state);
CREATE INDEX request_state ON request (mirror, state);
CREATE INDEX request_hold ON request (hold);
COMMIT;
