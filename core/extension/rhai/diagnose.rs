//! Engine errors → what a rule's author needs: file, line, column, what is wrong, and what was probably meant.

use rhai::{EvalAltResult, ParseError, ParseErrorType, Position};

use super::{registrar::Vocabulary, value::to_text};
use crate::{
    bundle::{MAX_EDITS, edits},
    extension::{ExtensionError, limits::MAX_MESSAGE_BYTES, said::cut},
};

/// Names that one is compared with: more than a person's script has of about the same length. It takes a millisecond, which
/// nobody meters.
const MAX_CANDIDATES: usize = 500;

/// How many slips of the pen a suggestion may bridge, by the word's length.
fn tolerance(word: &str) -> usize {
    if word.len() < 4 { 1 } else { (1 + word.len() / 4).min(MAX_EDITS) }
}

fn place(position: Position) -> (usize, usize) {
    (position.line().unwrap_or(0), position.position().unwrap_or(0))
}

/// A script that does not compile.
pub fn parse(path: &str, text: &str, error: &ParseError) -> ExtensionError {
    let (line, column) = place(error.position());
    let mut message = error.err_type().to_string();
    let hint = match error.err_type() {
        ParseErrorType::VariableUndefined(name) => {
            message = format!("there is no variable `{name}`");
            undefined(name, text)
        }
        ParseErrorType::Reserved(word) => Some(match word.as_str() {
            "null" | "nil" | "undefined" => "absent values are written `()`: `ad.campaign == ()`".to_owned(),
            word => format!("`{word}` is not available in rules; choose another name"),
        }),
        ParseErrorType::VariableExpected => Some("a word of the language cannot be a name; choose another".to_owned()),
        ParseErrorType::UnknownOperator(operator) if operator == "===" => Some("write ==".to_owned()),
        ParseErrorType::ExprTooDeep => Some("split the expression: give its parts names with `let`".to_owned()),
        error => habit(text, line).map(str::to_owned).or_else(|| match error {
            ParseErrorType::MissingToken(token, _) if token == ";" => {
                Some("end the line before with a semicolon".to_owned())
            }
            _ => None,
        }),
    };
    ExtensionError::Compile { path: path.to_owned(), line, column, message, hint }
}

fn undefined(name: &str, text: &str) -> Option<String> {
    if words_after(text, "const").any(|known| known == name) {
        let function = name.to_lowercase();
        return Some(format!(
            "functions see constants that are numbers, texts, true or false; write a list as a function: fn {function}() {{ [1, 2] }}"
        ));
    }
    let nearest = nearest(name, words(text, Some(name))).map(did_you_mean);
    nearest
        .or_else(|| Some("variables are declared with `let`, constants with `const` outside of functions".to_owned()))
}

/// What people bring along from other languages, by the line where the parser gave up.
fn habit(text: &str, line: usize) -> Option<&'static str> {
    const HABITS: [(&str, &str); 7] = [
        ("function ", "functions are declared with `fn`"),
        ("def ", "functions are declared with `fn`"),
        (" and ", "write && for and, || for or, ! for not"),
        (" or ", "write && for and, || for or, ! for not"),
        (" not ", "write && for and, || for or, ! for not"),
        ("elif", "write `else if`"),
        (" ? ", "write `if a { b } else { c }`"),
    ];
    let line = text.lines().nth(line.checked_sub(1)?)?;
    HABITS.iter().find(|(habit, _)| line.contains(habit)).map(|(_, hint)| *hint)
}

/// A script that failed while it ran. `text` is the script's own; errors inside shipped rules name those.
pub fn runtime(vocabulary: &Vocabulary, path: &str, text: &str, error: &EvalAltResult) -> ExtensionError {
    let mut path = path.to_owned();
    let mut position = error.position();
    let mut error = error;
    // The innermost error says what is wrong; the wrappers say where it came through.
    while let EvalAltResult::ErrorInFunctionCall(_, source, inner, at)
    | EvalAltResult::ErrorInModule(source, inner, at) = error
    {
        if !inner.position().is_none() {
            position = inner.position();
        } else if position.is_none() {
            position = *at;
        }
        if !source.is_empty() {
            path.clone_from(source);
        }
        error = inner;
    }
    let (line, column) = place(position);
    match error {
        EvalAltResult::ErrorTooManyOperations(_) => ExtensionError::Limit { path, what: "operations".to_owned() },
        EvalAltResult::ErrorTerminated(..) => ExtensionError::Limit { path, what: "time and operations".to_owned() },
        EvalAltResult::ErrorStackOverflow(_) => ExtensionError::Limit {
            path,
            what: format!("{} calls inside of calls (line {line})", crate::extension::limits::MAX_CALL_DEPTH),
        },
        EvalAltResult::ErrorDataTooLarge(what, _) => {
            ExtensionError::Limit { path, what: format!("{} (line {line})", what.to_lowercase()) }
        }
        EvalAltResult::ErrorTooManyVariables(_) => {
            ExtensionError::Limit { path, what: format!("variables (line {line})") }
        }
        error => {
            let (message, hint) = explain(vocabulary, text, error);
            ExtensionError::Runtime { path, line, column, message, hint }
        }
    }
}

fn explain(vocabulary: &Vocabulary, text: &str, error: &EvalAltResult) -> (String, Option<String>) {
    match error {
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            let name = signature.split([' ', '(']).next().unwrap_or(signature);
            let name = name.rsplit("::").next().unwrap_or(name);
            let arguments = signature.split_once(" (").and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or("");
            let arguments = plain_types(arguments);
            let known: Vec<_> = vocabulary.functions.iter().filter(|function| function.name() == name).collect();
            let hint = if arguments.split(", ").any(|kind| kind == "()") {
                Some(
                    "a value is `()` here: it is absent. Ask first, `if x != () { … }`, or give a default, `x ?? 0`"
                        .to_owned(),
                )
            } else if known.is_empty() {
                let known = vocabulary.functions.iter().map(|function| function.name().to_owned());
                nearest(name, known.chain(words_after(text, "fn "))).map(did_you_mean)
            } else {
                let forms = known.iter().map(|function| function.signature).collect::<Vec<_>>().join(" · ");
                Some(format!("it is used so: {forms}"))
            };
            let given = if arguments.is_empty() { String::new() } else { format!(" for ({arguments})") };
            (format!("there is no function `{name}`{given}"), hint)
        }
        EvalAltResult::ErrorVariableNotFound(name, _) => {
            (format!("there is no variable `{name}`"), nearest(name, words(text, Some(name))).map(did_you_mean))
        }
        EvalAltResult::ErrorRuntime(value, _) => {
            // Written by our own hand: Rhai's would write a list of a thousand long texts to its end.
            let thrown = match value.as_immutable_string_ref() {
                Ok(text) => Ok(cut(&text, MAX_MESSAGE_BYTES).into_owned()),
                Err(_) => to_text(value).map(|text| cut(&text, MAX_MESSAGE_BYTES).into_owned()),
            };
            (thrown.unwrap_or_else(|_| "it threw what is too large to be shown".to_owned()), None)
        }
        other => {
            let message = message_of(other);
            match unknown_property(&message) {
                Some((property, owner)) => property_error(vocabulary, property, owner, message.contains("a setter")),
                None => (plain_types(&message), None),
            }
        }
    }
}

/// Rhai's own words, without the position that it appends.
fn message_of(error: &EvalAltResult) -> String {
    let shown = error.to_string();
    shown.rsplit_once(" (line ").map_or(shown.as_str(), |(message, _)| message).to_owned()
}

/// `Unknown property 'x' - a getter is not registered for type 'Ad'` → x, Ad.
fn unknown_property(message: &str) -> Option<(&str, &str)> {
    let rest = message.split_once("roperty '")?.1;
    let (property, rest) = rest.split_once('\'')?;
    let owner = rest.split_once("type '")?.1.split('\'').next()?;
    Some((property, owner))
}

/// What to say of a property that a type does not have, or does not let be set.
pub fn property_error(vocabulary: &Vocabulary, property: &str, owner: &str, is_set: bool) -> (String, Option<String>) {
    let Some(kind) = vocabulary.types.get(owner) else {
        let absent = "the value is `()` here: it is absent. Ask first, `if x != () { … }`, or give a default, `x ?? 0`";
        let hint = (owner == "()").then(|| absent.to_owned());
        return (format!("a value of type {} has no property `{property}`", plain_types(owner)), hint);
    };
    if is_set && kind.properties.iter().any(|known| known.name == property) {
        let hint = "the host's values are read only, except an Avail's; copy what you need into a variable".to_owned();
        return (format!("`{property}` of {owner} cannot be set to that"), Some(hint));
    }
    let known = || kind.properties.iter().map(|known| known.name.to_owned());
    let hint = nearest(property, known()).map(did_you_mean);
    let hint = hint.unwrap_or_else(|| format!("its properties: {}", known().collect::<Vec<_>>().join(", ")));
    (format!("{owner} has no property `{property}`"), Some(hint))
}

/// The engine's names of types as rules know them.
fn plain_types(text: &str) -> String {
    text.replace("&str | ImmutableString | String", "string").replace("i64", "int").replace("f64", "float")
}

fn did_you_mean(word: String) -> String {
    format!("did you mean `{word}`?")
}

/// The identifiers of a script, except one.
fn words<'t>(text: &'t str, except: Option<&'t str>) -> impl Iterator<Item = String> + 't {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    let words =
        words.filter(move |word| word.starts_with(|c: char| c.is_alphabetic() || c == '_') && Some(*word) != except);
    words.map(str::to_owned)
}

/// The names that follow a word such as `fn` or `const`.
fn words_after<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = String> + 't {
    text.split(word).skip(1).filter_map(|rest| words(rest, None).next())
}

fn nearest(word: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    let (most, lower) = (tolerance(word), word.to_lowercase());
    let others = candidates.filter(|other| other.len().abs_diff(word.len()) <= most && other != word);
    let scored = others.take(MAX_CANDIDATES).filter_map(|candidate| {
        let edits = edits(&lower, &candidate.to_lowercase(), most)?;
        Some((edits, candidate))
    });
    Some(scored.min()?.1)
}
