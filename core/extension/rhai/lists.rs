//! The array functions that scripts have. Same names and meanings as in Rhai's own library, but sizes are checked
//! beforehand and callbacks that are stopped stop the whole function (Rhai's `sort` goes on comparing).

use rhai::{Array, Dynamic, EvalAltResult, FnPtr, ImmutableString, NativeCallContext};

use super::{
    guard,
    registrar::{Effect::*, Registrar},
    value::{Fallible, check_string, equal, fail, int, number, storable, to_text, too_large, weigh},
};
use crate::extension::limits::MAX_ARRAY_ITEMS;

pub fn register(api: &mut Registrar<'_>) {
    api.group("Lists");
    register_basic(api);
    register_callbacks(api);
}

fn register_basic(api: &mut Registrar<'_>) {
    api.function(Pure, "len(list) -> int", "How many items.", |list: &mut Array| int(list.len()))
        .function(Pure, "is_empty(list) -> bool", "Whether there is none.", |list: &mut Array| list.is_empty())
        .function(Changes, "push(list, item)", "Adds an item at the end.", |list: &mut Array, item: Dynamic| {
            push(list, item)
        })
        .function(Changes, "insert(list, index, item)", "Puts an item in before `index`.", insert)
        .function(
            Changes,
            "append(list, other)",
            "Adds the other list's items. Also written `+=`.",
            |list: &mut Array, other: Array| append(list, other),
        )
        .function(Changes, "+=(list, list)", "", |list: &mut Array, other: Array| append(list, other))
        .function(Changes, "+=(list, item)", "", |list: &mut Array, item: Dynamic| push(list, item))
        .function(Pure, "+(list, list)", "", |mut list: Array, other: Array| append(&mut list, other).map(|()| list))
        .function(Changes, "pop(list)", "Takes the last item off.", |list: &mut Array| list.pop().unwrap_or_default())
        .function(Changes, "shift(list)", "Takes the first item off.", |list: &mut Array| remove(list, 0))
        .function(Changes, "remove(list, index)", "Takes the item out.", remove)
        .function(Changes, "clear(list)", "Removes all items.", |list: &mut Array| list.clear())
        .function(
            Changes,
            "truncate(list, length)",
            "Keeps the first `length` items.",
            |list: &mut Array, length: i64| {
                list.truncate(usize::try_from(length).unwrap_or(0));
            },
        )
        .function(Changes, "reverse(list)", "Turns the list round, in place.", |list: &mut Array| {
            guard::charge(list.len()).map(|()| list.reverse())
        })
        .function(
            Pure,
            "extract(list, start) -> array",
            "The items from `start` on.",
            |list: &mut Array, start: i64| extract(list, start, i64::MAX),
        )
        .function(
            Pure,
            "extract(list, start, length) -> array",
            "`length` items from `start`.",
            |list: &mut Array, start: i64, length: i64| extract(list, start, length),
        )
        .function(
            Pure,
            "contains(list, item) -> bool",
            "Also written `item in list`.",
            |list: &mut Array, item: Dynamic| position(list, &item).map(|found| found.is_some()),
        )
        .function(
            Pure,
            "index_of(list, item) -> int",
            "Where the item first stands; -1 if nowhere.",
            |list: &mut Array, item: Dynamic| position(list, &item).map(|found| found.map_or(-1, int)),
        )
        .function(
            Pure,
            "join(list, separator) -> string",
            "The items' texts in one.",
            |list: &mut Array, separator: ImmutableString| join(list, &separator),
        )
        .function(Pure, "sum(list) -> float", "The sum of a list of numbers.", |list: &mut Array| sum(list))
        .function(Changes, "sort(list)", "Sorts numbers or texts, in place.", |list: &mut Array| sort_plain(list))
        .function(
            Changes,
            "dedup(list)",
            "Removes items equal to the one before them, in place.",
            |list: &mut Array| dedup(list),
        )
        .function(Pure, "==(list, list)", "", |a: Array, b: Array| equal(&a.into(), &b.into()))
        .function(Pure, "!=(list, list)", "", |a: Array, b: Array| equal(&a.into(), &b.into()).map(|same| !same));
}

fn register_callbacks(api: &mut Registrar<'_>) {
    api.function(Pure, "map(list, |item| …) -> array", "What the function makes of each item.", map)
        .function(Pure, "filter(list, |item| …) -> array", "The items for which the function says true.", filter)
        .function(
            Pure,
            "find(list, |item| …)",
            "The first item for which it says true, or `()`.",
            |context: NativeCallContext, list: &mut Array, test: FnPtr| {
                let found = first(&context, list, &test)?;
                Ok::<_, Box<EvalAltResult>>(found.and_then(|index| list.get(index).cloned()).unwrap_or_default())
            },
        )
        .function(
            Pure,
            "index_of(list, |item| …) -> int",
            "Where it first says true; -1 if nowhere.",
            |context: NativeCallContext, list: &mut Array, test: FnPtr| {
                first(&context, list, &test).map(|found| found.map_or(-1, int))
            },
        )
        .function(
            Pure,
            "some(list, |item| …) -> bool",
            "Whether it says true for any item.",
            |context: NativeCallContext, list: &mut Array, test: FnPtr| {
                first(&context, list, &test).map(|found| found.is_some())
            },
        )
        .function(Pure, "all(list, |item| …) -> bool", "Whether it says true for every item.", all)
        .function(
            Pure,
            "for_each(list, |item| …)",
            "Calls the function with each item.",
            |context: NativeCallContext, list: &mut Array, body: FnPtr| map(context, list, body).map(|_| ()),
        )
        .function(
            Pure,
            "reduce(list, |result, item| …)",
            "Combines all items, starting from `()`.",
            |context: NativeCallContext, list: &mut Array, combine: FnPtr| {
                reduce(&context, list, &combine, Dynamic::UNIT)
            },
        )
        .function(
            Pure,
            "reduce(list, |result, item| …, start)",
            "Combines all items, starting from `start`.",
            |context: NativeCallContext, list: &mut Array, combine: FnPtr, start: Dynamic| {
                reduce(&context, list, &combine, start)
            },
        )
        .function(
            Changes,
            "retain(list, |item| …)",
            "Keeps the items for which it says true, in place.",
            |context: NativeCallContext, list: &mut Array, test: FnPtr| {
                *list = filter(context, list, test)?;
                Ok::<_, Box<EvalAltResult>>(())
            },
        )
        .function(
            Changes,
            "sort(list, |a, b| …)",
            "Sorts in place; the function says a number below 0, or true, when `a` comes first.",
            sort_with,
        )
        .function(Changes, "sort_by(list, |a, b| …)", "", sort_with);
}

fn check_length(length: usize) -> Fallible<()> {
    if length > MAX_ARRAY_ITEMS { too_large("Size of array") } else { Ok(()) }
}

fn push(list: &mut Array, item: Dynamic) -> Fallible<()> {
    check_length(list.len() + 1)?;
    list.push(storable(item)?);
    Ok(())
}

fn insert(list: &mut Array, index: i64, item: Dynamic) -> Fallible<()> {
    check_length(list.len() + 1)?;
    guard::charge(list.len())?;
    list.insert(place(list, index).min(list.len()), storable(item)?);
    Ok(())
}

fn append(list: &mut Array, other: Array) -> Fallible<()> {
    check_length(list.len().saturating_add(other.len()))?;
    guard::charge(other.len())?;
    list.extend(other);
    Ok(())
}

/// Negative indices count from the end.
fn place(list: &Array, index: i64) -> usize {
    let index = if index < 0 { int(list.len()).saturating_add(index).max(0) } else { index };
    usize::try_from(index).unwrap_or(usize::MAX)
}

fn remove(list: &mut Array, index: i64) -> Fallible<Dynamic> {
    guard::charge(list.len())?;
    let index = place(list, index);
    Ok(if index < list.len() { list.remove(index) } else { Dynamic::UNIT })
}

fn extract(list: &Array, start: i64, length: i64) -> Fallible<Array> {
    guard::charge(list.len())?;
    Ok(list.iter().skip(place(list, start)).take(usize::try_from(length).unwrap_or(0)).cloned().collect())
}

fn position(list: &Array, item: &Dynamic) -> Fallible<Option<usize>> {
    for (index, candidate) in list.iter().enumerate() {
        if equal(candidate, item)? {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn join(list: &Array, separator: &str) -> Fallible<ImmutableString> {
    let mut joined = String::new();
    for (index, item) in list.iter().enumerate() {
        let text = to_text(item)?;
        check_string(joined.len() + separator.len() + text.len())?;
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(&text);
    }
    Ok(joined.into())
}

fn sum(list: &Array) -> Fallible<f64> {
    guard::charge(list.len())?;
    let mut total = 0.0;
    for item in list {
        match number(item) {
            Some(value) => total += value,
            None => return fail(format!("sum: a {} is not a number", item.type_name())),
        }
    }
    Ok(total)
}

fn dedup(list: &mut Array) -> Fallible<()> {
    let mut kept = Array::with_capacity(list.len());
    for item in std::mem::take(list) {
        match kept.last() {
            Some(last) if equal(last, &item)? => {}
            _ => kept.push(item),
        }
    }
    *list = kept;
    Ok(())
}

/// Calls a callback with the item, or with item and index if it takes two.
fn ask(context: &NativeCallContext, function: &FnPtr, item: &Dynamic, index: usize) -> Fallible<Dynamic> {
    match function.call_raw(context, None, [item.clone()]) {
        Err(error) if wants_more(&error, function) => {
            function.call_raw(context, None, [item.clone(), int(index).into()])
        }
        answer => answer,
    }
}

fn wants_more(error: &EvalAltResult, function: &FnPtr) -> bool {
    matches!(error, EvalAltResult::ErrorFunctionNotFound(name, ..) if name.starts_with(function.fn_name()))
}

fn is_true(answer: &Dynamic) -> bool {
    answer.as_bool().unwrap_or(false)
}

pub fn first(context: &NativeCallContext, list: &Array, test: &FnPtr) -> Fallible<Option<usize>> {
    for (index, item) in list.iter().enumerate() {
        if is_true(&ask(context, test, item, index)?) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

pub fn map(context: NativeCallContext, list: &mut Array, function: FnPtr) -> Fallible<Array> {
    let mut answers = Array::with_capacity(list.len());
    let mut weight = 0_usize;
    for (index, item) in list.iter().enumerate() {
        let answer = storable(ask(&context, &function, item, index)?)?;
        // Each answer is within limits; all of them together need not be.
        weight = weight.saturating_add(weigh(&answer)?);
        check_length(weight)?;
        answers.push(answer);
    }
    Ok(answers)
}

pub fn filter(context: NativeCallContext, list: &mut Array, test: FnPtr) -> Fallible<Array> {
    let mut kept = Array::new();
    for (index, item) in list.iter().enumerate() {
        if is_true(&ask(&context, &test, item, index)?) {
            kept.push(item.clone());
        }
    }
    Ok(kept)
}

fn all(context: NativeCallContext, list: &mut Array, test: FnPtr) -> Fallible<bool> {
    for (index, item) in list.iter().enumerate() {
        if !is_true(&ask(&context, &test, item, index)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn reduce(context: &NativeCallContext, list: &Array, combine: &FnPtr, start: Dynamic) -> Fallible<Dynamic> {
    let mut result = storable(start)?;
    for item in list {
        result = storable(combine.call_raw(context, None, [result, item.clone()])?)?;
    }
    Ok(result)
}

fn sort_plain(list: &mut Array) -> Fallible<()> {
    let sorted = merge_sort(std::mem::take(list), &mut |a, b| {
        guard::charge(0)?;
        if let (Some(a), Some(b)) = (number(a), number(b)) {
            return Ok(a <= b);
        }
        match (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
            (Ok(a), Ok(b)) => guard::charge(a.len().min(b.len())).map(|()| *a <= *b),
            _ => fail("sort: only numbers or texts sort by themselves; say how: sort(|a, b| …)"),
        }
    })?;
    *list = sorted;
    Ok(())
}

fn sort_with(context: NativeCallContext, list: &mut Array, compare: FnPtr) -> Fallible<()> {
    let sorted = merge_sort(std::mem::take(list), &mut |a, b| {
        // Asked the other way round, "b before a" is the one answer that moves anything: equal items keep their order.
        let answer = compare.call_raw(&context, None, [b.clone(), a.clone()])?;
        match (number(&answer), answer.as_bool()) {
            (Some(order), _) => Ok(order >= 0.0),
            (None, Ok(comes_first)) => Ok(!comes_first),
            _ => fail("sort: the function must answer a number or true/false"),
        }
    })?;
    *list = sorted;
    Ok(())
}

/// Stable, ends with the first error, and, unlike the standard library's, has no opinion on comparisons that
/// contradict each other.
fn merge_sort(list: Array, in_order: &mut dyn FnMut(&Dynamic, &Dynamic) -> Fallible<bool>) -> Fallible<Array> {
    if list.len() < 2 {
        return Ok(list);
    }
    let mut left = list;
    let right = left.split_off(left.len() / 2);
    let left = merge_sort(left, in_order)?;
    let right = merge_sort(right, in_order)?;
    let mut merged = Array::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        merged.extend(if in_order(a, b)? { left.next() } else { right.next() });
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}
