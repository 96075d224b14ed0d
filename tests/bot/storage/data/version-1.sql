BEGIN TRANSACTION;
CREATE TABLE blocks (
	guild_id BIGINT NOT NULL, 
	user_id BIGINT NOT NULL, 
	PRIMARY KEY (guild_id, user_id)
);
INSERT INTO "blocks" VALUES(700010,700099);
CREATE TABLE figures (
	job_id INTEGER NOT NULL, 
	data BLOB NOT NULL, 
	PRIMARY KEY (job_id), 
	FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "figures" VALUES(1,X'89504E470D0A1A0A');
CREATE TABLE guilds (
	guild_id BIGINT NOT NULL, 
	settings JSON NOT NULL, 
	PRIMARY KEY (guild_id)
);
INSERT INTO "guilds" VALUES(700010,'{"listening": "chosen", "channels": [700020], "style": "comic", "seconds": 30.0, "pictures_per_user_hour": null, "roles": []}');
CREATE TABLE jobs (
	id INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	created BIGINT NOT NULL, 
	user_id BIGINT NOT NULL, 
	guild_id BIGINT, 
	channel_id BIGINT NOT NULL, 
	locale VARCHAR NOT NULL, 
	filename VARCHAR NOT NULL, 
	source_id BIGINT, 
	options JSON NOT NULL, 
	heard JSON, 
	prompt JSON, 
	reply JSON, 
	reply_id BIGINT, 
	figure_of INTEGER, 
	outcome JSON, 
	PRIMARY KEY (id)
);
INSERT INTO "jobs" VALUES(1,'done',0,1767225600000,700011,700010,700020,'en-US','dog.ogg',700030,'{"style": "comic", "prompt": null, "negative_prompt": null, "seed": null, "seconds": 10.0, "adapter": null, "unasked": false}','{"title": "Barking dog", "top": [{"name": "Dog", "score": 0.9, "coverage": 1.0, "first_ms": 0, "level_db": 0.0}, {"name": "Bark", "score": 0.8, "coverage": 0.5, "first_ms": 975, "level_db": 0.0}], "windows": [{"timestamp_ms": 0, "labels": [["Dog", 0.9], ["Animal", 0.4]]}, {"timestamp_ms": 975, "labels": [["Bark", 0.8], ["Dog", 0.9]]}], "duration_s": 10.0, "shortened": true, "spoken": ""}','{"text": "a barking dog", "negative_text": "text, watermark"}','{"channel_id": 700040, "message_id": 700041, "token": null, "expires": null, "sheltered": false}',700041,NULL,'{"recipe": {"prompt": {"text": "a barking dog", "negative_text": "text, watermark"}, "seed": 7, "steps": 4, "guidance": 3.0, "size": [64, 64], "model": "scripted", "revision": "1", "adapter": null, "heard": ["Dog (0.90)"], "speed": "exact"}, "seconds": 1.5, "is_miniature": true, "notes": ["Painted by the small practice model that comes along: do not expect much of it.", "The recording is long; I listened to its first 10 seconds."]}');
INSERT INTO "jobs" VALUES(2,'waiting',0,1767225600000,700011,700010,700020,'de','dog.ogg',700030,'{"style": null, "prompt": "a blue dog", "negative_prompt": null, "seed": 5, "seconds": null, "adapter": null, "unasked": false}','{"title": "Barking dog", "top": [{"name": "Dog", "score": 0.9, "coverage": 1.0, "first_ms": 0, "level_db": 0.0}, {"name": "Bark", "score": 0.8, "coverage": 0.5, "first_ms": 975, "level_db": 0.0}], "windows": [{"timestamp_ms": 0, "labels": [["Dog", 0.9], ["Animal", 0.4]]}, {"timestamp_ms": 975, "labels": [["Bark", 0.8], ["Dog", 0.9]]}], "duration_s": 10.0, "shortened": true, "spoken": ""}','{"text": "a blue dog", "negative_text": "text, watermark"}',NULL,NULL,1,NULL);
INSERT INTO "jobs" VALUES(3,'waiting',0,1767225600000,700012,700010,700020,'en-US','rain.wav',700031,'{"style": null, "prompt": null, "negative_prompt": null, "seed": null, "seconds": null, "adapter": null, "unasked": true}',NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "jobs" VALUES(4,'cancelled',0,1767225600000,700013,700010,700020,'en-US','',NULL,'{"style": null, "prompt": null, "negative_prompt": null, "seed": null, "seconds": null, "adapter": null, "unasked": false}',NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE notes (
	name VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "notes" VALUES('commands','abc');
INSERT INTO "notes" VALUES('said:welcome:700010','');
CREATE TABLE recordings (
	job_id INTEGER NOT NULL, 
	data BLOB NOT NULL, 
	PRIMARY KEY (job_id), 
	FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "recordings" VALUES(3,X'52494646');
CREATE INDEX ix_jobs_source_id ON jobs (source_id);
CREATE INDEX ix_jobs_created ON jobs (created);
CREATE INDEX ix_jobs_state ON jobs (state);
CREATE INDEX ix_jobs_reply_id ON jobs (reply_id);
CREATE INDEX ix_jobs_guild_id ON jobs (guild_id);
CREATE INDEX ix_jobs_user_id ON jobs (user_id);
COMMIT;
PRAGMA user_version = 1;
