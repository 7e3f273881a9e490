//! Sorting of arrays. Rhai hands the standard library comparisons that contradict themselves, where there is NaN among
//! the numbers or where a script's own comparison does, and the standard library panics.

use std::cmp::Ordering;

use rhai::{Array, Dynamic, FLOAT, FnPtr, INT, NativeCallContext};

use crate::error::Error;
use crate::script::error::ScriptResult;
use crate::script::value::describe;

/// In place, ascending.
pub fn sort(array: &mut Array) -> ScriptResult<()> {
    sorted(array, |order| order)
}

/// In place, descending.
pub fn sort_desc(array: &mut Array) -> ScriptResult<()> {
    sorted(array, Ordering::reverse)
}

/// Ascending.
pub fn order(mut array: Array) -> ScriptResult<Array> {
    sort(&mut array)?;
    Ok(array)
}

/// Descending.
pub fn order_desc(mut array: Array) -> ScriptResult<Array> {
    sort_desc(&mut array)?;
    Ok(array)
}

/// In place, as a script's function compares.
pub fn sort_by(call: NativeCallContext, array: &mut Array, comparer: FnPtr) -> ScriptResult<()> {
    *array = order_by(call, array.clone(), comparer)?;
    Ok(())
}

/// As a script's function compares.
pub fn order_by(call: NativeCallContext, array: Array, comparer: FnPtr) -> ScriptResult<Array> {
    merged(array, &mut |a, b| {
        comparer.call_raw(&call, None, [a.clone(), b.clone()]).and_then(|answer| is_before(&answer))
    })
}

/// What a script's comparison says: a number below 0, or true, where the first comes first.
fn is_before(answer: &Dynamic) -> ScriptResult<bool> {
    match (answer.as_int(), answer.as_bool()) {
        (Ok(number), _) => Ok(number < 0),
        (_, Ok(first)) => Ok(first),
        _ => {
            let found = describe(answer);
            Err(Error::new(format!("a comparison gives an integer or a bool, found {found}"))
                .hint("below 0, or true, where the first comes before the second")
                .into())
        }
    }
}

/// Sorts by merging: an end is reached, and every element kept, whatever `is_before` answers. Elements of which none is
/// before the other keep their order.
fn merged(
    mut array: Array,
    is_before: &mut impl FnMut(&Dynamic, &Dynamic) -> ScriptResult<bool>,
) -> ScriptResult<Array> {
    if array.len() < 2 {
        return Ok(array);
    }
    let right = array.split_off(array.len() / 2);
    let mut right = merged(right, is_before)?.into_iter().peekable();
    let mut all = Array::new();
    for left in merged(array, is_before)? {
        while let Some(next) = right.peek() {
            if !is_before(next, &left)? {
                break;
            }
            all.extend(right.next());
        }
        all.push(left);
    }
    all.extend(right);
    Ok(all)
}

/// Sorts elements of one type; NaN comes last either way, as in a frame.
fn sorted(array: &mut Array, direction: fn(Ordering) -> Ordering) -> ScriptResult<()> {
    let [first, rest @ ..] = array.as_slice() else { return Ok(()) };
    if rest.is_empty() {
        return Ok(());
    }
    let refused = |what: String| -> ScriptResult<()> { Err(Error::new(what).into()) };
    if rest.iter().any(|element| element.type_id() != first.type_id()) {
        return refused("elements of different types cannot be sorted".into());
    }
    if compared(first, first, direction).is_none() {
        return refused(format!("elements of {} cannot be sorted", first.type_name()));
    }
    array.sort_by(|a, b| compared(a, b, direction).unwrap_or(Ordering::Equal));
    Ok(())
}

/// The order of two values of one type, where the type has one.
fn compared(a: &Dynamic, b: &Dynamic, direction: fn(Ordering) -> Ordering) -> Option<Ordering> {
    if let (Ok(a), Ok(b)) = (a.as_float(), b.as_float()) {
        let (a, b): (FLOAT, FLOAT) = (a, b);
        return Some(match a.partial_cmp(&b) {
            Some(order) => direction(order),
            None => a.is_nan().cmp(&b.is_nan()),
        });
    }
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        let (a, b): (INT, INT) = (a, b);
        return Some(direction(a.cmp(&b)));
    }
    if let (Ok(a), Ok(b)) = (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
        return Some(direction(a.cmp(&b)));
    }
    if let (Ok(a), Ok(b)) = (a.as_char(), b.as_char()) {
        return Some(direction(a.cmp(&b)));
    }
    if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        return Some(direction(a.cmp(&b)));
    }
    (a.is_unit() && b.is_unit()).then_some(Ordering::Equal)
}
