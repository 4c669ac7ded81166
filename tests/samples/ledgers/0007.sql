BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0007');
CREATE TABLE alias (
	mirror TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	path TEXT NOT NULL, 
	PRIMARY KEY (mirror, "key"), 
	CONSTRAINT alias_path UNIQUE (mirror, path)
);
INSERT INTO "alias" VALUES('docs','key1','folder/name 1.docx');
INSERT INTO "alias" VALUES('docs','key2','folder/name 2.docx');
CREATE TABLE answer (
	id TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	begun_at TEXT NOT NULL, 
	status INTEGER, 
	body TEXT, 
	location TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "answer" VALUES('01000000000000000000000001','fingerprint1','2026-01-01T00:00:00.000000Z',1,'body1','location1');
INSERT INTO "answer" VALUES('01000000000000000000000002','fingerprint2','2026-01-02T00:00:00.000000Z',2,'body2','location2');
CREATE TABLE api_key (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	role TEXT NOT NULL, 
	mirrors JSON, 
	hash TEXT NOT NULL, 
	pepper TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	expires_at TEXT, 
	previous_hash TEXT, 
	previous_until TEXT, 
	revoked_at TEXT, 
	last_used_at TEXT, 
	PRIMARY KEY (id), 
	CONSTRAINT api_key_role CHECK (role IN ('viewer', 'operator', 'admin')), 
	CONSTRAINT api_key_previous CHECK ((previous_hash IS NULL) = (previous_until IS NULL))
);
INSERT INTO "api_key" VALUES('01000000000000000000000001','name1','viewer','["docs"]','hash1','pepper1','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','previous_hash1','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z');
INSERT INTO "api_key" VALUES('01000000000000000000000002','name2','operator','["docs"]','hash2','pepper2','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','previous_hash2','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z');
INSERT INTO "api_key" VALUES('01000000000000000000000003','name3','admin','["docs"]','hash3','pepper3','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','previous_hash3','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z');
CREATE TABLE arrival (
	id TEXT NOT NULL, 
	mirror TEXT NOT NULL, 
	path TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	token TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	replaced TEXT, 
	actor TEXT NOT NULL, 
	begun_at TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "arrival" VALUES('01000000000000000000000001','docs','folder/name 1.docx','0000000000000000000000000000000000000000000000000000000000000001','token1',1,'replaced1','actor1','2026-01-01T00:00:00.000000Z');
INSERT INTO "arrival" VALUES('01000000000000000000000002','docs','folder/name 2.docx','0000000000000000000000000000000000000000000000000000000000000002','token2',2,'replaced2','actor2','2026-01-02T00:00:00.000000Z');
CREATE TABLE audit (
	seq INTEGER NOT NULL, 
	at TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	action TEXT NOT NULL, 
	mirror TEXT, 
	facts TEXT NOT NULL, 
	previous TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "audit" VALUES(1,'2026-01-01T00:00:00.000000Z','actor1','action1','docs','facts1','previous1','hash1');
INSERT INTO "audit" VALUES(2,'2026-01-02T00:00:00.000000Z','actor2','action2','docs','facts2','previous2','hash2');
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
CREATE TABLE canary (
	mirror TEXT NOT NULL, 
	path TEXT NOT NULL, 
	since TEXT NOT NULL, 
	PRIMARY KEY (mirror, path)
);
INSERT INTO "canary" VALUES('docs','folder/name 1.docx','2026-01-01T00:00:00.000000Z');
INSERT INTO "canary" VALUES('docs','folder/name 2.docx','2026-01-02T00:00:00.000000Z');
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
CREATE TABLE converter (
	name TEXT NOT NULL, 
	state TEXT NOT NULL, 
	reason TEXT, 
	since TEXT NOT NULL, 
	retry_at TEXT, 
	PRIMARY KEY (name), 
	CONSTRAINT converter_state CHECK (state IN ('closed', 'open', 'half-open'))
);
INSERT INTO "converter" VALUES('name1','closed','reason1','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z');
INSERT INTO "converter" VALUES('name2','open','reason2','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z');
INSERT INTO "converter" VALUES('name3','half-open','reason3','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z');
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
CREATE TABLE event (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind TEXT NOT NULL, 
	mirror TEXT NOT NULL, 
	ref TEXT NOT NULL
);
INSERT INTO "event" VALUES(1,'upload','docs','ref1');
INSERT INTO "event" VALUES(2,'upload','docs','ref2');
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
CREATE TABLE "job" (
	id TEXT NOT NULL, 
	rule TEXT NOT NULL, 
	converter TEXT NOT NULL, 
	mirror TEXT NOT NULL, 
	path TEXT NOT NULL, 
	version TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	recipe TEXT NOT NULL, 
	target_mirror TEXT NOT NULL, 
	place TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	priority INTEGER NOT NULL, 
	expires_at TEXT, 
	state TEXT NOT NULL, 
	stage TEXT, 
	attempts INTEGER NOT NULL, 
	run_at TEXT NOT NULL, 
	lease_until TEXT, 
	claimed_at TEXT, 
	converting_at TEXT, 
	storing_at TEXT, 
	finished_at TEXT, 
	failure TEXT, 
	last_error TEXT, 
	output TEXT, 
	note TEXT, 
	result_path TEXT, 
	result_sha256 TEXT, 
	release TEXT, 
	shared_with TEXT, 
	is_forced BOOLEAN NOT NULL, 
	doubted_at TEXT, 
	PRIMARY KEY (id), 
	CONSTRAINT job_state CHECK (state IN ('queued', 'running', 'done', 'dead', 'skipped', 'discarded')), 
	CONSTRAINT job_stage CHECK (stage IN ('downloading', 'converting', 'storing')), 
	CONSTRAINT job_content UNIQUE (sha256, recipe, place)
);
INSERT INTO "job" VALUES('01000000000000000000000001','text','markdown','docs','folder/name 1.docx','01000000000000000000000001','0000000000000000000000000000000000000000000000000000000000000001','r1','docs','place1','2026-01-01T00:00:00.000000Z',1,'2026-01-01T00:00:00.000000Z','queued','downloading',1,'2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','crashed','last_error1','output1','note1','folder/name 1.docx','0000000000000000000000000000000000000000000000000000000000000001','release1','shared_with1',1,'2026-01-01T00:00:00.000000Z');
INSERT INTO "job" VALUES('01000000000000000000000002','text','markdown','docs','folder/name 2.docx','01000000000000000000000002','0000000000000000000000000000000000000000000000000000000000000002','r1','docs','place2','2026-01-02T00:00:00.000000Z',1,'2026-01-02T00:00:00.000000Z','running','converting',2,'2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','crashed','last_error2','output2','note2','folder/name 2.docx','0000000000000000000000000000000000000000000000000000000000000002','release2','shared_with2',0,'2026-01-02T00:00:00.000000Z');
INSERT INTO "job" VALUES('01000000000000000000000003','text','markdown','docs','folder/name 3.docx','01000000000000000000000003','0000000000000000000000000000000000000000000000000000000000000003','r1','docs','place3','2026-01-03T00:00:00.000000Z',1,'2026-01-03T00:00:00.000000Z','done','storing',3,'2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','crashed','last_error3','output3','note3','folder/name 3.docx','0000000000000000000000000000000000000000000000000000000000000003','release3','shared_with3',1,'2026-01-03T00:00:00.000000Z');
INSERT INTO "job" VALUES('01000000000000000000000004','text','markdown','docs','folder/name 4.docx','01000000000000000000000004','0000000000000000000000000000000000000000000000000000000000000004','r1','docs','place4','2026-01-04T00:00:00.000000Z',1,'2026-01-04T00:00:00.000000Z','dead','downloading',4,'2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','crashed','last_error4','output4','note4','folder/name 4.docx','0000000000000000000000000000000000000000000000000000000000000004','release4','shared_with4',0,'2026-01-04T00:00:00.000000Z');
INSERT INTO "job" VALUES('01000000000000000000000005','text','markdown','docs','folder/name 5.docx','01000000000000000000000005','0000000000000000000000000000000000000000000000000000000000000005','r1','docs','place5','2026-01-05T00:00:00.000000Z',1,'2026-01-05T00:00:00.000000Z','skipped','converting',5,'2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z','crashed','last_error5','output5','note5','folder/name 5.docx','0000000000000000000000000000000000000000000000000000000000000005','release5','shared_with5',1,'2026-01-05T00:00:00.000000Z');
INSERT INTO "job" VALUES('01000000000000000000000006','text','markdown','docs','folder/name 6.docx','01000000000000000000000006','0000000000000000000000000000000000000000000000000000000000000006','r1','docs','place6','2026-01-06T00:00:00.000000Z',1,'2026-01-06T00:00:00.000000Z','discarded','storing',6,'2026-01-06T00:00:00.000000Z','2026-01-06T00:00:00.000000Z','2026-01-06T00:00:00.000000Z','2026-01-06T00:00:00.000000Z','2026-01-06T00:00:00.000000Z','2026-01-06T00:00:00.000000Z','crashed','last_error6','output6','note6','folder/name 6.docx','0000000000000000000000000000000000000000000000000000000000000006','release6','shared_with6',0,'2026-01-06T00:00:00.000000Z');
CREATE TABLE job_share (
	job TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	done BIGINT NOT NULL, 
	total BIGINT NOT NULL, 
	PRIMARY KEY (job)
);
INSERT INTO "job_share" VALUES('job1','stage1',1,1);
INSERT INTO "job_share" VALUES('job2','stage2',2,2);
CREATE TABLE left_path (
	mirror TEXT NOT NULL, 
	path TEXT NOT NULL, 
	left_at TEXT NOT NULL, 
	PRIMARY KEY (mirror, path)
)
 WITHOUT ROWID

;
INSERT INTO "left_path" VALUES('docs','folder/name 1.docx','2026-01-01T00:00:00.000000Z');
INSERT INTO "left_path" VALUES('docs','folder/name 2.docx','2026-01-02T00:00:00.000000Z');
CREATE TABLE "mirror" (
	name TEXT NOT NULL, 
	store TEXT NOT NULL, 
	bucket TEXT NOT NULL, 
	prefix TEXT NOT NULL, 
	local TEXT NOT NULL, 
	mode TEXT NOT NULL, 
	health TEXT NOT NULL, 
	since TEXT NOT NULL, 
	updated_at TEXT NOT NULL, 
	marker_id TEXT, 
	reason TEXT, 
	last_poll_at TEXT, 
	last_scan_at TEXT, 
	last_full_at TEXT, 
	oldest_dirty_at TEXT, 
	progress TEXT, 
	dirty BIGINT NOT NULL, 
	profile JSON NOT NULL, 
	PRIMARY KEY (name), 
	CONSTRAINT mirror_mode CHECK (mode IN ('two-way', 'push', 'pull')), 
	CONSTRAINT mirror_health CHECK (health IN ('starting', 'in-step', 'working', 'waiting', 'blocked', 'unreachable', 'paused'))
);
INSERT INTO "mirror" VALUES('docs','main','documents','docs/','/srv/docs','two-way','starting','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','marker_id1','reason1','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','progress1',1,'{}');
INSERT INTO "mirror" VALUES('name2','main','documents','docs/','/srv/docs','push','in-step','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','marker_id2','reason2','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','progress2',2,'{}');
INSERT INTO "mirror" VALUES('name3','main','documents','docs/','/srv/docs','pull','working','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','marker_id3','reason3','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','progress3',3,'{}');
INSERT INTO "mirror" VALUES('name4','main','documents','docs/','/srv/docs','two-way','waiting','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','marker_id4','reason4','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','progress4',4,'{}');
INSERT INTO "mirror" VALUES('name5','main','documents','docs/','/srv/docs','push','blocked','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z','marker_id5','reason5','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z','progress5',5,'{}');
INSERT INTO "mirror" VALUES('name6','main','documents','docs/','/srv/docs','pull','unreachable','2026-01-06T00:00:00.000000Z','2026-01-06T00:00:00.000000Z','marker_id6','reason6','2026-01-06T00:00:00.000000Z','2026-01-06T00:00:00.000000Z','2026-01-06T00:00:00.000000Z','2026-01-06T00:00:00.000000Z','progress6',6,'{}');
INSERT INTO "mirror" VALUES('name7','main','documents','docs/','/srv/docs','two-way','paused','2026-01-07T00:00:00.000000Z','2026-01-07T00:00:00.000000Z','marker_id7','reason7','2026-01-07T00:00:00.000000Z','2026-01-07T00:00:00.000000Z','2026-01-07T00:00:00.000000Z','2026-01-07T00:00:00.000000Z','progress7',7,'{}');
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
CREATE TABLE pause (
	mirror TEXT NOT NULL, 
	since TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	reason TEXT, 
	PRIMARY KEY (mirror)
);
INSERT INTO "pause" VALUES('docs1','2026-01-01T00:00:00.000000Z','actor1','reason1');
INSERT INTO "pause" VALUES('docs2','2026-01-02T00:00:00.000000Z','actor2','reason2');
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
CREATE TABLE "request" (
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
	retry_at TEXT, 
	begun_at TEXT, 
	PRIMARY KEY (id), 
	CONSTRAINT request_kind CHECK (kind IN ('restore', 'remove', 'heal-local', 'heal-remote', 'erase', 'retention')), 
	CONSTRAINT request_state CHECK (state IN ('held', 'open', 'done', 'conflict', 'skipped', 'failed', 'cancelled')), 
	CONSTRAINT request_hold FOREIGN KEY(hold) REFERENCES hold (id)
);
INSERT INTO "request" VALUES(1,'docs','folder/name 1.docx','restore','01000000000000000000000001','expect1',1,'held','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','note1','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z');
INSERT INTO "request" VALUES(2,'docs','folder/name 2.docx','remove','01000000000000000000000002','expect2',1,'open','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','note2','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z');
INSERT INTO "request" VALUES(3,'docs','folder/name 3.docx','heal-local','01000000000000000000000003','expect3',1,'done','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','note3','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z');
INSERT INTO "request" VALUES(4,'docs','folder/name 4.docx','heal-remote','01000000000000000000000004','expect4',1,'conflict','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','note4','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z');
INSERT INTO "request" VALUES(5,'docs','folder/name 5.docx','erase','01000000000000000000000005','expect5',1,'skipped','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z','note5','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z');
INSERT INTO "request" VALUES(6,'docs','folder/name 6.docx','retention','01000000000000000000000006','expect6',1,'failed','2026-01-06T00:00:00.000000Z','2026-01-06T00:00:00.000000Z','note6','2026-01-06T00:00:00.000000Z','2026-01-06T00:00:00.000000Z');
INSERT INTO "request" VALUES(7,'docs','folder/name 7.docx','restore','01000000000000000000000007','expect7',1,'cancelled','2026-01-07T00:00:00.000000Z','2026-01-07T00:00:00.000000Z','note7','2026-01-07T00:00:00.000000Z','2026-01-07T00:00:00.000000Z');
CREATE TABLE result (
	mirror TEXT NOT NULL, 
	path TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	put_at TEXT NOT NULL, 
	source TEXT NOT NULL, 
	source_sha256 TEXT NOT NULL, 
	rule TEXT NOT NULL, 
	converter TEXT NOT NULL, 
	is_claim BOOLEAN NOT NULL, 
	PRIMARY KEY (mirror, path, sha256)
);
INSERT INTO "result" VALUES('docs','folder/name 1.docx','0000000000000000000000000000000000000000000000000000000000000001','2026-01-01T00:00:00.000000Z','source1','0000000000000000000000000000000000000000000000000000000000000001','text','markdown',1);
INSERT INTO "result" VALUES('docs','folder/name 2.docx','0000000000000000000000000000000000000000000000000000000000000002','2026-01-02T00:00:00.000000Z','source2','0000000000000000000000000000000000000000000000000000000000000002','text','markdown',0);
CREATE TABLE run_order (
	id INTEGER NOT NULL, 
	mirror TEXT NOT NULL, 
	run TEXT NOT NULL, 
	asked_at TEXT NOT NULL, 
	begun_at TEXT, 
	answered_at TEXT, 
	answered_by TEXT, 
	PRIMARY KEY (id), 
	CONSTRAINT run_order_run CHECK (run IN ('poll', 'rescan', 'full')), 
	CONSTRAINT run_order_answered_by CHECK (answered_by IN ('poll', 'rescan', 'full'))
);
INSERT INTO "run_order" VALUES(1,'docs','poll','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','poll');
INSERT INTO "run_order" VALUES(2,'docs','rescan','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','rescan');
INSERT INTO "run_order" VALUES(3,'docs','full','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','full');
CREATE TABLE session (
	digest TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	stamp TEXT NOT NULL, 
	began_at TEXT NOT NULL, 
	PRIMARY KEY (digest)
);
INSERT INTO "session" VALUES('digest1','key1','stamp1','2026-01-01T00:00:00.000000Z');
INSERT INTO "session" VALUES('digest2','key2','stamp2','2026-01-02T00:00:00.000000Z');
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
CREATE TABLE tally (
	"of" TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	rows BIGINT NOT NULL, 
	bytes BIGINT NOT NULL, 
	PRIMARY KEY ("of", "key")
);
INSERT INTO "tally" VALUES('of1','key1',1,1);
INSERT INTO "tally" VALUES('of2','key2',2,2);
CREATE TABLE upload (
	mirror TEXT NOT NULL, 
	bucket TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	upload_id TEXT NOT NULL, 
	begun_at TEXT NOT NULL, headers JSON, size BIGINT, part_bytes BIGINT, 
	PRIMARY KEY (mirror, bucket, "key", upload_id)
);
INSERT INTO "upload" VALUES('docs','documents','key1','upload_id1','2026-01-01T00:00:00.000000Z','{}',1,1);
INSERT INTO "upload" VALUES('docs','documents','key2','upload_id2','2026-01-02T00:00:00.000000Z','{}',2,2);
CREATE TABLE upload_part (
	mirror TEXT NOT NULL, 
	bucket TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	upload_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	etag TEXT NOT NULL, 
	sha256_so_far TEXT NOT NULL, 
	PRIMARY KEY (mirror, bucket, "key", upload_id, number)
);
INSERT INTO "upload_part" VALUES('docs','documents','key1','upload_id1',1,'etag1','0000000000000000000000000000000000000000000000000000000000000001');
INSERT INTO "upload_part" VALUES('docs','documents','key2','upload_id2',2,'etag2','0000000000000000000000000000000000000000000000000000000000000002');
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
CREATE TABLE webhook_cursor (
	webhook TEXT NOT NULL, 
	last_event BIGINT NOT NULL, 
	begun_at TEXT NOT NULL, 
	breaker TEXT NOT NULL, 
	since TEXT NOT NULL, 
	reason TEXT, 
	retry_at TEXT, 
	PRIMARY KEY (webhook), 
	CONSTRAINT webhook_cursor_breaker CHECK (breaker IN ('closed', 'open', 'half-open'))
);
INSERT INTO "webhook_cursor" VALUES('webhook1',1,'2026-01-01T00:00:00.000000Z','closed','2026-01-01T00:00:00.000000Z','reason1','2026-01-01T00:00:00.000000Z');
INSERT INTO "webhook_cursor" VALUES('webhook2',2,'2026-01-02T00:00:00.000000Z','open','2026-01-02T00:00:00.000000Z','reason2','2026-01-02T00:00:00.000000Z');
INSERT INTO "webhook_cursor" VALUES('webhook3',3,'2026-01-03T00:00:00.000000Z','half-open','2026-01-03T00:00:00.000000Z','reason3','2026-01-03T00:00:00.000000Z');
CREATE TABLE webhook_delivery (
	id TEXT NOT NULL, 
	webhook TEXT NOT NULL, 
	seq BIGINT NOT NULL, 
	event TEXT NOT NULL, 
	mirror TEXT NOT NULL, 
	path TEXT, 
	version TEXT, 
	order_key TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	state TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	run_at TEXT NOT NULL, 
	wanted_at TEXT NOT NULL, 
	claimed_at TEXT, 
	lease_until TEXT, 
	status INTEGER, 
	last_error TEXT, 
	created_at TEXT NOT NULL, 
	finished_at TEXT, 
	PRIMARY KEY (id), 
	CONSTRAINT webhook_delivery_state CHECK (state IN ('queued', 'running', 'done', 'dead', 'discarded'))
);
INSERT INTO "webhook_delivery" VALUES('01000000000000000000000001','webhook1',1,'event1','docs','folder/name 1.docx','01000000000000000000000001','order_key1','payload1','queued',1,'2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z',1,'last_error1','2026-01-01T00:00:00.000000Z','2026-01-01T00:00:00.000000Z');
INSERT INTO "webhook_delivery" VALUES('01000000000000000000000002','webhook2',2,'event2','docs','folder/name 2.docx','01000000000000000000000002','order_key2','payload2','running',2,'2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z',2,'last_error2','2026-01-02T00:00:00.000000Z','2026-01-02T00:00:00.000000Z');
INSERT INTO "webhook_delivery" VALUES('01000000000000000000000003','webhook3',3,'event3','docs','folder/name 3.docx','01000000000000000000000003','order_key3','payload3','done',3,'2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z',3,'last_error3','2026-01-03T00:00:00.000000Z','2026-01-03T00:00:00.000000Z');
INSERT INTO "webhook_delivery" VALUES('01000000000000000000000004','webhook4',4,'event4','docs','folder/name 4.docx','01000000000000000000000004','order_key4','payload4','dead',4,'2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z',4,'last_error4','2026-01-04T00:00:00.000000Z','2026-01-04T00:00:00.000000Z');
INSERT INTO "webhook_delivery" VALUES('01000000000000000000000005','webhook5',5,'event5','docs','folder/name 5.docx','01000000000000000000000005','order_key5','payload5','discarded',5,'2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z',5,'last_error5','2026-01-05T00:00:00.000000Z','2026-01-05T00:00:00.000000Z');
CREATE TABLE webhook_event (
	id INTEGER NOT NULL, 
	source TEXT NOT NULL, 
	ref TEXT NOT NULL, 
	mirror TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "webhook_event" VALUES(1,'source1','ref1','docs');
INSERT INTO "webhook_event" VALUES(2,'source2','ref2','docs');
CREATE INDEX synced_sha256 ON synced (mirror, sha256);
CREATE INDEX synced_odd ON synced (mirror, odd) WHERE odd IS 1;
CREATE INDEX history_path ON history (mirror, path);
CREATE INDEX history_kind ON history (mirror, kind, at);
CREATE INDEX deletion_held ON deletion (hold, path);
CREATE UNIQUE INDEX deletion_parked ON deletion (mirror, path) WHERE hold IS NULL;
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
CREATE INDEX job_due ON job (rule, priority, run_at, id) WHERE state = 'queued';
CREATE INDEX job_expiry ON job (state, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX job_counts ON job (state, rule, converter, created_at);
CREATE INDEX job_tried ON job (state, rule, id) WHERE state = 'queued' AND failure IS NOT NULL;
CREATE INDEX job_result ON job (target_mirror, result_path);
CREATE UNIQUE INDEX api_key_name ON api_key (name) WHERE revoked_at IS NULL;
CREATE INDEX synced_version ON synced (mirror, version);
CREATE INDEX synced_name ON synced (substr(path, length(rtrim(path, replace(path, '/', ''))) + 1));
CREATE INDEX conflict_open_path ON "conflict" (mirror, path) WHERE settled_at IS NULL;
CREATE INDEX request_open_path ON request (mirror, path) WHERE state = 'open';
CREATE INDEX left_path_at ON left_path (mirror, left_at);
CREATE INDEX run_order_open ON run_order (mirror, id) WHERE answered_at IS NULL;
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook, state, run_at);
CREATE INDEX webhook_delivery_ended ON webhook_delivery (state, finished_at);
CREATE INDEX webhook_delivery_path ON webhook_delivery (mirror, path);
CREATE INDEX webhook_delivery_newest ON webhook_delivery (seq, id);
CREATE INDEX webhook_delivery_order ON webhook_delivery (webhook, order_key, seq) WHERE state IN ('queued', 'running');
CREATE INDEX answer_age ON answer (begun_at);
CREATE INDEX job_groups ON job (mirror, rule, state, id);
CREATE INDEX job_paths ON job (mirror, path, id, rule, state);
CREATE INDEX session_key ON session ("key", began_at);
CREATE INDEX audit_actor ON audit (actor);
CREATE INDEX audit_action ON audit (action);
CREATE INDEX audit_mirror ON audit (mirror);
CREATE INDEX audit_at ON audit (at);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is only ever added to'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is only ever added to'); END;
CREATE TRIGGER synced_comes AFTER INSERT ON synced BEGIN INSERT INTO tally VALUES ('synced', new.mirror, +1, +new.size) ON CONFLICT (of, key) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes; END;
CREATE TRIGGER synced_goes AFTER DELETE ON synced BEGIN INSERT INTO tally VALUES ('synced', old.mirror, -1, -old.size) ON CONFLICT (of, key) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes; END;
CREATE TRIGGER synced_changes AFTER UPDATE OF mirror, size ON synced WHEN old.mirror <> new.mirror OR old.size <> new.size BEGIN INSERT INTO tally VALUES ('synced', old.mirror, -1, -old.size) ON CONFLICT (of, key) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes; INSERT INTO tally VALUES ('synced', new.mirror, +1, +new.size) ON CONFLICT (of, key) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes; END;
CREATE TRIGGER version_comes AFTER INSERT ON version BEGIN INSERT INTO tally VALUES ('version', new.mirror, +1, +new.size) ON CONFLICT (of, key) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes; END;
CREATE TRIGGER version_goes AFTER DELETE ON version BEGIN INSERT INTO tally VALUES ('version', old.mirror, -1, -old.size) ON CONFLICT (of, key) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes; END;
CREATE TRIGGER version_changes AFTER UPDATE OF mirror, size ON version WHEN old.mirror <> new.mirror OR old.size <> new.size BEGIN INSERT INTO tally VALUES ('version', old.mirror, -1, -old.size) ON CONFLICT (of, key) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes; INSERT INTO tally VALUES ('version', new.mirror, +1, +new.size) ON CONFLICT (of, key) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes; END;
CREATE TRIGGER job_comes AFTER INSERT ON job BEGIN INSERT INTO tally VALUES ('job', new.state, +1, +0) ON CONFLICT (of, key) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes; END;
CREATE TRIGGER job_goes AFTER DELETE ON job BEGIN INSERT INTO tally VALUES ('job', old.state, -1, -0) ON CONFLICT (of, key) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes; END;
CREATE TRIGGER job_changes AFTER UPDATE OF state ON job WHEN old.state <> new.state BEGIN INSERT INTO tally VALUES ('job', old.state, -1, -0) ON CONFLICT (of, key) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes; INSERT INTO tally VALUES ('job', new.state, +1, +0) ON CONFLICT (of, key) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes; END;
CREATE TRIGGER version_comes_left AFTER INSERT ON version WHEN new.left_at IS NOT NULL BEGIN INSERT INTO left_path SELECT new.mirror, new.path, new.left_at WHERE new.origin <> 'evidence' AND NOT EXISTS (SELECT 1 FROM synced WHERE mirror = new.mirror AND path = new.path) ON CONFLICT (mirror, path) DO UPDATE SET left_at = excluded.left_at WHERE excluded.left_at > left_at; END;
CREATE TRIGGER version_comes_back AFTER INSERT ON version WHEN new.left_at IS NULL BEGIN DELETE FROM left_path WHERE mirror = new.mirror AND path = new.path; END;
CREATE TRIGGER version_leaves AFTER UPDATE OF left_at ON version WHEN new.left_at IS NOT NULL BEGIN INSERT INTO left_path SELECT new.mirror, new.path, new.left_at WHERE new.origin <> 'evidence' AND NOT EXISTS (SELECT 1 FROM synced WHERE mirror = new.mirror AND path = new.path) ON CONFLICT (mirror, path) DO UPDATE SET left_at = excluded.left_at WHERE excluded.left_at > left_at; END;
CREATE TRIGGER version_returns AFTER UPDATE OF left_at ON version WHEN new.left_at IS NULL BEGIN DELETE FROM left_path WHERE mirror = new.mirror AND path = new.path; END;
CREATE TRIGGER version_erased AFTER DELETE ON version BEGIN DELETE FROM left_path WHERE mirror = old.mirror AND path = old.path AND NOT EXISTS (SELECT 1 FROM version WHERE mirror = old.mirror AND path = old.path); END;
CREATE TRIGGER version_erased_now AFTER DELETE ON version WHEN old.left_at IS NULL BEGIN INSERT OR IGNORE INTO left_path SELECT mirror, path, max(left_at) FROM version WHERE mirror = old.mirror AND path = old.path AND left_at IS NOT NULL GROUP BY mirror, path; END;
CREATE TRIGGER webhook_history AFTER INSERT ON history WHEN new.kind IN ('upload', 'download', 'mark_synced', 'keep_both', 'delete_local', 'delete_remote', 'remove', 'forget') AND EXISTS (SELECT 1 FROM webhook_cursor) BEGIN INSERT INTO webhook_event (source, ref, mirror) VALUES ('history', new.id, new.mirror); END;
CREATE TRIGGER webhook_job AFTER UPDATE OF state ON job WHEN new.state IN ('done', 'dead') AND new.state <> old.state AND EXISTS (SELECT 1 FROM webhook_cursor) BEGIN INSERT INTO webhook_event (source, ref, mirror) VALUES ('job', new.state || ' ' || new.id, new.mirror); END;
CREATE TRIGGER webhook_hold AFTER INSERT ON hold WHEN new.state = 'open' AND EXISTS (SELECT 1 FROM webhook_cursor) BEGIN INSERT INTO webhook_event (source, ref, mirror) VALUES ('hold', new.id, new.mirror); END;
CREATE TRIGGER webhook_request AFTER INSERT ON request WHEN new.kind IN ('heal-local', 'heal-remote') AND EXISTS (SELECT 1 FROM webhook_cursor) BEGIN INSERT INTO webhook_event (source, ref, mirror) VALUES ('request', new.id, new.mirror); END;
CREATE TRIGGER webhook_rot AFTER INSERT ON problem WHEN new.kind = 'rot' AND EXISTS (SELECT 1 FROM webhook_cursor) BEGIN INSERT INTO webhook_event (source, ref, mirror) VALUES ('rot', new.path, new.mirror); END;
CREATE TRIGGER event_kept AFTER INSERT ON event WHEN new.id % 1000 = 0 BEGIN DELETE FROM event WHERE id <= new.id - 20000; END;
CREATE TRIGGER event_file_insert AFTER INSERT ON history WHEN 1 BEGIN INSERT INTO event (kind, mirror, ref) VALUES ('file', new.mirror, new.id); END;
CREATE TRIGGER event_job_insert AFTER INSERT ON job WHEN 1 BEGIN INSERT INTO event (kind, mirror, ref) VALUES ('job', new.mirror, new.id); END;
CREATE TRIGGER event_job_update AFTER UPDATE OF state, stage ON job WHEN new.state IS NOT old.state OR new.stage IS NOT old.stage BEGIN INSERT INTO event (kind, mirror, ref) VALUES ('job', new.mirror, new.id); END;
CREATE TRIGGER event_hold_insert AFTER INSERT ON hold WHEN 1 BEGIN INSERT INTO event (kind, mirror, ref) VALUES ('hold', new.mirror, new.id); END;
CREATE TRIGGER event_hold_update AFTER UPDATE ON hold WHEN 1 BEGIN INSERT INTO event (kind, mirror, ref) VALUES ('hold', new.mirror, new.id); END;
CREATE TRIGGER event_mirror_insert AFTER INSERT ON mirror WHEN 1 BEGIN INSERT INTO event (kind, mirror, ref) VALUES ('mirror', new.name, new.name); END;
CREATE TRIGGER event_mirror_update AFTER UPDATE OF health, reason ON mirror WHEN new.health IS NOT old.health OR new.reason IS NOT old.reason BEGIN INSERT INTO event (kind, mirror, ref) VALUES ('mirror', new.name, new.name); END;
CREATE TRIGGER event_problem_insert AFTER INSERT ON problem WHEN 1 BEGIN INSERT INTO event (kind, mirror, ref) VALUES ('problem', new.mirror, new.mirror); END;
CREATE TRIGGER event_problem_delete AFTER DELETE ON problem WHEN 1 BEGIN INSERT INTO event (kind, mirror, ref) VALUES ('problem', old.mirror, old.mirror); END;
CREATE TRIGGER event_conflict_insert AFTER INSERT ON conflict WHEN 1 BEGIN INSERT INTO event (kind, mirror, ref) VALUES ('conflict', new.mirror, new.id); END;
CREATE TRIGGER event_conflict_update AFTER UPDATE ON conflict WHEN 1 BEGIN INSERT INTO event (kind, mirror, ref) VALUES ('conflict', new.mirror, new.id); END;
CREATE TRIGGER event_request_insert AFTER INSERT ON request WHEN 1 BEGIN INSERT INTO event (kind, mirror, ref) VALUES ('request', new.mirror, new.id); END;
CREATE TRIGGER event_request_update AFTER UPDATE OF state ON request WHEN 1 BEGIN INSERT INTO event (kind, mirror, ref) VALUES ('request', new.mirror, new.id); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('event',2);
COMMIT;
