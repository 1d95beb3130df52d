//! Variables over the file.

use serde_yaml::Value;

use super::{Config, ConfigError, values::plain};

const PREFIX: &str = "CUETONE_";
const LEVEL: &str = "__";

/// Sets what each `CUETONE_…` variable names, in the order of their names, checking after each so that a mistake is
/// reported with the variable that made it.
pub(super) fn apply(mut config: Config, env: impl Iterator<Item = (String, String)>) -> Result<Config, ConfigError> {
    let mut variables: Vec<_> = env.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    variables.sort();
    let mut ignored = Vec::new();
    for (variable, text) in variables {
        let fail = |message| ConfigError::Env { variable: variable.clone(), message };
        let mut tree = serde_yaml::to_value(&config).map_err(|error| fail(plain(&error)))?;
        let Some(slot) = find(&mut tree, &variable) else {
            ignored.push(variable);
            continue;
        };
        *slot = value(slot, &text);
        config = serde_yaml::from_value(tree).map_err(|error| fail(plain(&error)))?;
    }
    config.ignored_env = ignored;
    Ok(config)
}

/// The setting that a variable names. Serialised settings hold every field, absent ones as null.
fn find<'a>(tree: &'a mut Value, variable: &str) -> Option<&'a mut Value> {
    let path = variable.strip_prefix(PREFIX)?.to_lowercase();
    let mut slot = tree;
    for key in path.split(LEVEL) {
        slot = slot.get_mut(key)?;
    }
    (!slot.is_mapping()).then_some(slot)
}

/// The text in the shape of what it replaces.
fn value(replaced: &Value, text: &str) -> Value {
    match replaced {
        Value::Sequence(_) => {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect::<Vec<_>>().into()
        }
        Value::Number(_) | Value::Bool(_) => serde_yaml::from_str(text).unwrap_or_else(|_| text.into()),
        // An empty variable takes an optional setting away.
        _ if text.is_empty() => Value::Null,
        _ => text.into(),
    }
}
