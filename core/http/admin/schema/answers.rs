//! What is neither an item nor a part of one: keys, scripts, versions, the audit log, problems.

use serde_json::{Value, json};

use super::{Components, about, object, page, reference};
use crate::{
    bundle::{MAX_FILES, MAX_PATH_BYTES, MAX_PLUGIN_BYTES, MAX_TEXT},
    extension::Point,
    http::admin::{
        keys::{MAX_NAME, MAX_OVERLAP_SECONDS},
        validate::MAX_SCRIPT_CHARACTERS,
    },
    tracking::sinks::vault::MAX_SECRET_CHARS,
};

pub(super) fn add(all: &mut Components) {
    keys(all);
    sinks(all);
    extensions(all);
    history(all);
    all.insert("CreativeState".into(), creative_state());
    all.insert("CreativeStatePage".into(), page(reference("CreativeState"), "creatives"));
    all.insert("Problem".into(), problem());
}

fn time(description: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": description})
}

fn or_null(schema: Value) -> Value {
    super::nullable(&schema)
}

fn keys(all: &mut Components) {
    let known = [
        ("id!", json!({"type": "integer", "minimum": 1, "description": "Its number: not the key itself."})),
        ("name!", json!({"type": "string", "description": "What the key is for."})),
        ("tenant!", about(or_null(reference("Slug")), "Whose key it is; null for a platform key.")),
        ("prefix!", json!({"type": "string", "description": "How the key begins, to recognise it by."})),
        ("created_at!", time("When it was made.")),
        ("expires_at!", or_null(time("When it ends; null: never."))),
        ("revoked_at!", or_null(time("When it was revoked; null: it was not."))),
    ];
    let secret = json!({"type": ["string", "null"],
        "description": "The key itself: shown here and never again. Null in a replayed answer.",
        "examples": ["fast_wkkworld_Zm9vYmFy"]});
    let issued: Vec<_> = known.iter().cloned().chain([("key!", secret)]).collect();
    all.insert("Key".into(), object("An API key, without its secret.", &known));
    all.insert("IssuedKey".into(), object("A key that was just made.", &issued));
    all.insert("KeyPage".into(), page(reference("Key"), "keys"));
    all.insert(
        "NewKey".into(),
        super::parts::with_example(
            object(
                "What a new key is for.",
                &[(
                    "name!",
                    json!({"type": "string", "minLength": 1, "maxLength": MAX_NAME, "description": "One line."}),
                )],
            ),
            json!({"name": "nightly export"}),
        ),
    );
    all.insert(
        "Rotation".into(),
        super::parts::with_example(
            object(
                "How a key is replaced.",
                &[(
                    "overlap_seconds",
                    json!({"type": "integer", "minimum": 0, "maximum": MAX_OVERLAP_SECONDS, "default": 0,
                "description": "How long the old key goes on working."}),
                )],
            ),
            json!({"overlap_seconds": 3600}),
        ),
    );
}

fn sinks(all: &mut Components) {
    let secret = [("name!", reference("Slug")), ("updated_at!", time("When it was set last."))];
    all.insert("Secret".into(), object("That there is a secret; never what it is.", &secret));
    all.insert("SecretPage".into(), page(reference("Secret"), "secrets"));
    let value = json!({"type": "string", "minLength": 1, "maxLength": MAX_SECRET_CHARS, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
        "description": "One line. Never shown again."});
    all.insert(
        "SecretValue".into(),
        super::parts::with_example(object("What a secret is.", &[("value!", value)]), json!({"value": "s3cr3t"})),
    );
    let id = || json!({"type": "integer", "minimum": 0});
    let failure = object(
        "Why a sink does not get on.",
        &[
            ("attempts!", json!({"type": "integer", "minimum": 1, "description": "In a row."})),
            ("error!", json!({"type": "string"})),
            ("at!", time("Of the last attempt.")),
        ],
    );
    all.insert("SinkFailure".into(), failure);
    all.insert(
        "SinkState".into(),
        object(
            "A sink and how far it is.",
            &[
                ("name!", json!({"type": "string", "description": "The mount's `name`, or the script's name and a hash of its configuration."})),
                ("use!", json!({"type": ["string", "null"], "description": "The script; null: it is mounted no more."})),
                ("position!", about(or_null(id()), "The last event that was delivered or given up; null: it has not begun.")),
                ("moved_at!", or_null(time("When it last moved."))),
                ("behind!", about(id(), "Events that are still to come, counted to 100000.")),
                ("failure!", about(or_null(reference("SinkFailure")), "Null while all is well.")),
                ("dead_letters!", about(id(), "Batches that it gave up.")),
            ],
        ),
    );
    all.insert(
        "SinkStates".into(),
        object("A tenant's sinks.", &[("items!", json!({"type": "array", "items": reference("SinkState")}))]),
    );
    all.insert(
        "DeadLetter".into(),
        object(
            "A batch of events that a receiver would not take.",
            &[
                ("id!", id()),
                ("sink!", json!({"type": "string"})),
                ("first_event!", id()),
                ("last_event!", id()),
                ("attempts!", id()),
                ("error!", json!({"type": "string", "description": "Of the last attempt."})),
                ("at!", time("Of the last attempt.")),
                ("replay_at!", or_null(time("Since when it is to be delivered again; null: it is not."))),
            ],
        ),
    );
    all.insert("DeadLetterPage".into(), page(reference("DeadLetter"), "dead letters, oldest first"));
    let to = json!({"type": "string", "minLength": 1, "maxLength": MAX_TEXT,
        "description": "Another mounted sink that is to deliver it."});
    all.insert("Replay".into(), super::parts::with_example(object("Who delivers it.", &[("sink", to)]), json!({})));
}

fn extensions(all: &mut Components) {
    let path = json!({"type": "string", "maxLength": MAX_PATH_BYTES, "examples": ["rules/kids.rhai"]});
    let hash = json!({"type": "string", "description": "The start of the SHA-256 of a script's text or a plugin's bytes; traces carry it."});
    let uses = json!({"type": "array", "items": {"type": "string"},
        "description": "Where it is used, such as `channels[news].fill_strategy`.", "examples": [["extensions.targeting[0].use"]]});
    let script = [
        ("path!", path.clone()),
        ("kind!", json!({"type": "string", "enum": ["script", "plugin"]})),
        ("version!", hash.clone()),
        ("bytes!", json!({"type": "integer", "minimum": 0, "description": "As it is kept: plugins are compressed."})),
        ("used_by!", uses),
    ];
    let text = json!({"type": "string", "maxLength": MAX_SCRIPT_CHARACTERS, "description": "Rhai.",
        "examples": ["fn target(ad, request, config) { true }"]});
    let shown = json!({"type": ["string", "null"], "maxLength": MAX_SCRIPT_CHARACTERS,
        "description": "Rhai; null for a plugin: ask for application/wasm to get it."});
    let with_text: Vec<_> = script.iter().cloned().chain([("text!", shown)]).collect();
    all.insert("Script".into(), object("A script or plugin of the tenant's.", &script));
    all.insert("ScriptWithText".into(), object("A script and what it says.", &with_text));
    all.insert("ScriptText".into(), object("What a script says.", &[("text!", text.clone())]));
    let count = |description: &str| json!({"type": "integer", "minimum": 0, "description": description});
    let figures = object(
        "How one version of a script or plugin does on this node.",
        &[
            ("extension!", json!({"type": "string", "examples": ["plugins/optimal-fill.wasm"]})),
            ("version!", hash.clone()),
            ("point!", json!({"type": "string", "enum": Point::ALL.map(Point::as_str)})),
            (
                "breaker!",
                json!({"type": "string", "enum": ["open", "closed"],
                "description": "Open: it failed so often in a row that it is left alone for a while."}),
            ),
            ("calls!", count("Made and refused.")),
            ("answered!", count("Those with an answer.")),
            ("failed!", count("Those without: the fallback of the point answered, so these are the fallbacks too.")),
            (
                "errors!",
                json!({"type": "object", "additionalProperties": {"type": "integer"},
                "description": "Failures by kind: trap, deadline, limit, answer, runtime, panic, circuit_open, quota, busy."}),
            ),
            ("p50_microseconds!", or_null(count("Half of the calls took at most so long; null before the first."))),
            ("p99_microseconds!", or_null(count("99 of 100 took at most so long."))),
            ("cpu_seconds!", json!({"type": "number", "minimum": 0, "description": "Processor time of all calls."})),
            ("peak_memory_bytes!", count("The most that one call had; 0 for scripts, whose memory is not counted.")),
        ],
    );
    all.insert(
        "ExtensionFigures".into(),
        object("What is in use.", &[("items!", json!({"type": "array", "items": figures}))]),
    );
    let line = object(
        "What an extension logged.",
        &[
            ("time!", time("When.")),
            ("extension!", json!({"type": "string"})),
            ("level!", json!({"type": "string", "enum": ["debug", "info", "warn", "error"]})),
            ("message!", json!({"type": "string"})),
        ],
    );
    all.insert(
        "ExtensionLog".into(),
        object("The newest lines, newest first.", &[("items!", json!({"type": "array", "items": line}))]),
    );
    all.insert(
        "Component".into(),
        json!({"type": "string", "format": "binary", "maxLength": MAX_PLUGIN_BYTES,
            "description": "A WebAssembly component, as `cuetone plugin pack` writes it."}),
    );
    all.insert(
        "ScriptSource".into(),
        json!({"type": "string", "maxLength": MAX_SCRIPT_CHARACTERS, "description": "Rhai, as it is."}),
    );
    all.insert(
        "Extensions".into(),
        object(
            "Scripts and what is mounted.",
            &[("scripts!", json!({"type": "array", "items": reference("Script")})), ("mounts!", reference("Mounts"))],
        ),
    );
    let point = json!({"type": "string", "enum": Point::ALL.map(Point::as_str), "description": "What it is for; told by its functions when absent."});
    all.insert(
        "Trial".into(),
        super::parts::with_example(
            object(
                "A script to try.",
                &[
                    ("text!", text),
                    ("point", point.clone()),
                    ("path", about(path.clone(), "The name that errors carry.")),
                    ("config", about(reference("Config"), "What the trial call gets as its configuration.")),
                ],
            ),
            json!({"text": "fn target(ad, request, config) { true }", "point": "targeting"}),
        ),
    );
    let number = json!({"type": ["integer", "null"], "minimum": 0});
    all.insert(
        "Finding".into(),
        object(
            "What is wrong with a script, and where.",
            &[
                ("path!", json!({"type": "string"})),
                ("line!", number.clone()),
                ("column!", number),
                ("message!", json!({"type": "string"})),
                ("hint!", json!({"type": ["string", "null"]})),
                ("kind!", json!({"type": "string", "description": "compile, runtime, deadline, limit, answer …"})),
            ],
        ),
    );
    all.insert(
        "TrialResult".into(),
        object(
            "How the trial went.",
            &[
                ("valid!", json!({"type": "boolean"})),
                ("point!", or_null(json!({"type": "string", "enum": Point::ALL.map(Point::as_str)}))),
                ("version!", hash.clone()),
                ("errors!", json!({"type": "array", "items": reference("Finding")})),
            ],
        ),
    );
    all.insert(
        "ScriptVersion".into(),
        object(
            "A text that a script had.",
            &[
                ("version!", about(version(), "The tenant's version that brought it: what a rollback names.")),
                ("until!", or_null(about(version(), "The tenant's version that took it away; null: it is there now."))),
                ("hash!", hash),
                ("bytes!", json!({"type": "integer", "minimum": 0})),
            ],
        ),
    );
    all.insert("ScriptVersionPage".into(), page(reference("ScriptVersion"), "a script's versions, newest first"));
}

fn version() -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": i64::MAX, "description": "A version of the tenant: 1, 2, 3 …"})
}

fn history(all: &mut Components) {
    all.insert(
        "Rollback".into(),
        super::parts::with_example(object("Where to go back to.", &[("version!", version())]), json!({"version": 3})),
    );
    all.insert(
        "Bundle".into(),
        super::parts::with_example(
            object(
                "A tenant as files: `tenant.yaml` and its scripts.",
                &[(
                    "files!",
                    json!({"type": "object", "maxProperties": MAX_FILES, "additionalProperties": {"type": "string"},
                "description": "Text by path."}),
                )],
            ),
            json!({"files": {"tenant.yaml": "tenant: { slug: wkkworld }\n"}}),
        ),
    );
    all.insert(
        "Applied".into(),
        object(
            "The tenant after a change of the whole.",
            &[
                ("tenant!", reference("Slug")),
                ("version!", version()),
                ("changed!", json!({"type": "boolean", "description": "False: it was like that already."})),
            ],
        ),
    );
    let edited = object(
        "One thing that was changed.",
        &[
            (
                "kind!",
                json!({"type": "string", "description": "tenant, channel, campaign, ad, extensions, script, key …"}),
            ),
            ("name!", json!({"type": "string", "maxLength": MAX_TEXT})),
            ("operation!", json!({"type": "string", "description": "added, changed or removed."})),
        ],
    );
    all.insert("Change".into(), object("Who changed what, and when.", &[
        ("version!", about(super::nullable(&version()), "Of the tenant, that it made; null: it changed a key.")),
        ("at!", time("When.")),
        ("actor!", json!({"type": "string", "description": "A key with its name, or who else it was."})),
        ("door!", json!({"type": "string", "description": "How it came in: api, apply, command_line, folder, or cuetone itself."})),
        ("summary!", json!({"type": "string"})),
        ("request_id!", json!({"type": ["string", "null"], "description": "Of the request that did it."})),
        ("edited!", json!({"type": "array", "items": edited})),
        ("more!", json!({"type": "boolean", "description": "`edited` names only the first thousand."})),
    ]));
    all.insert("ChangePage".into(), page(reference("Change"), "changes, newest first"));
}

fn creative_state() -> Value {
    object(
        "Where an ad's creative stands.",
        &[
            ("ad!", reference("Slug")),
            ("creative!", about(or_null(reference("Creative")), "As the ad has it.")),
            (
                "state!",
                json!({"type": "string", "enum": ["loading", "ready", "failed", "none"],
            "description": "`none`: there is no playlist to fetch."}),
            ),
            (
                "measured_duration_seconds!",
                json!({"type": ["number", "null"], "description": "Of its first variant, once it is ready."}),
            ),
            ("reason!", json!({"type": ["string", "null"], "description": "Why it cannot be used."})),
        ],
    )
}

fn problem() -> Value {
    let field = json!({
        "type": "object",
        "properties": {
            "field": {"type": "string", "description": "Path of the field; empty for the whole."},
            "reason": {"type": "string"},
        },
        "required": ["field", "reason"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "properties": {
            "type": {"type": "string", "description": "A stable name: `urn:cuetone:problem:…`."},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "For the person who made the request."},
            "errors": {"type": "array", "items": field},
            "request_id": {"type": "string", "description": "To find it in the log."},
        },
        "required": ["type", "title", "status", "detail"],
        "additionalProperties": false,
    })
}
