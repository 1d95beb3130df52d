//! Writes small MaxMind databases (<https://maxmind.github.io/MaxMind-DB/>), so that tests need no file of anybody's.
//! Reads nothing; addresses are laid out as a tree for IPv6 with IPv4 at `::/96`, records have 24 bits.

use std::net::IpAddr;

/// What a record holds, as far as country and city databases need it.
#[derive(Clone, Debug)]
pub enum Value {
    Text(String),
    Map(Vec<(&'static str, Value)>),
    List(Vec<Value>),
    U16(u16),
    U32(u32),
    U64(u64),
}

impl Value {
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                control(2, text.len(), out);
                out.extend(text.as_bytes());
            }
            Self::Map(entries) => {
                control(7, entries.len(), out);
                for (key, value) in entries {
                    Self::text(key).write(out);
                    value.write(out);
                }
            }
            Self::List(items) => {
                control(11, items.len(), out);
                items.iter().for_each(|item| item.write(out));
            }
            Self::U16(number) => integer(5, &number.to_be_bytes(), out),
            Self::U32(number) => integer(6, &number.to_be_bytes(), out),
            Self::U64(number) => integer(9, &number.to_be_bytes(), out),
        }
    }
}

/// A control byte: the type in its upper three bits (0 and one byte more from type 8), the size in the lower five (one
/// byte more from 29).
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let upper = if kind < 8 { kind << 5 } else { 0 };
    let (lower, more) = if size < 29 { (size, None) } else { (29, Some(size - 29)) };
    out.push(upper | u8::try_from(lower).expect("five bits"));
    if kind >= 8 {
        out.push(kind - 7);
    }
    out.extend(more.map(|more| u8::try_from(more).expect("tests write nothing longer")));
}

fn integer(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    control(kind, bytes.len() - start, out);
    out.extend(&bytes[start..]);
}

#[derive(Clone, Copy)]
enum Record {
    Empty,
    Node(usize),
    /// An offset in the data section.
    Data(usize),
}

/// A database of the named type that has a record per network, such as `192.0.2.0/24`. A later network may be a part of
/// an earlier one.
pub fn database(kind: &str, networks: &[(&str, Value)]) -> Vec<u8> {
    let mut nodes = vec![[Record::Empty; 2]];
    let mut data = Vec::new();
    for (network, value) in networks {
        let offset = data.len();
        value.write(&mut data);
        let (bits, length) = prefix(network);
        insert(&mut nodes, bits, length, offset);
    }
    let mut out = Vec::new();
    let number = |record: &Record| match record {
        Record::Empty => nodes.len(),
        Record::Node(node) => *node,
        // The separator counts as part of the distance.
        Record::Data(offset) => nodes.len() + 16 + offset,
    };
    for record in nodes.iter().flatten() {
        let number = u32::try_from(number(record)).expect("small");
        out.extend(&number.to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    metadata(kind, nodes.len()).write(&mut out);
    out
}

/// A database as those of countries are: a network and its country each.
pub fn countries(networks: &[(&str, &str)]) -> Vec<u8> {
    let record = |code: &str| {
        let names = Value::Map(vec![("en", Value::text("a country with a name of more than 29 letters"))]);
        Value::Map(vec![
            ("continent", Value::Map(vec![("code", Value::text("XX"))])),
            (
                "country",
                Value::Map(vec![("geoname_id", Value::U32(70_000)), ("iso_code", Value::text(code)), ("names", names)]),
            ),
        ])
    };
    let networks: Vec<_> = networks.iter().map(|(network, code)| (*network, record(code))).collect();
    database("Test-Country", &networks)
}

fn metadata(kind: &str, nodes: usize) -> Value {
    Value::Map(vec![
        ("binary_format_major_version", Value::U16(2)),
        ("binary_format_minor_version", Value::U16(0)),
        ("build_epoch", Value::U64(1_780_000_000)),
        ("database_type", Value::text(kind)),
        ("description", Value::Map(vec![("en", Value::text("made by a test"))])),
        ("ip_version", Value::U16(6)),
        ("languages", Value::List(vec![Value::text("en")])),
        ("node_count", Value::U32(u32::try_from(nodes).expect("small"))),
        ("record_size", Value::U16(24)),
    ])
}

/// A network as the first bits of an IPv6 address.
fn prefix(network: &str) -> (u128, u32) {
    let (address, length) = network.split_once('/').expect("a network with its length");
    let length: u32 = length.parse().expect("a length");
    match address.parse().expect("an address") {
        IpAddr::V4(address) => (u128::from(u32::from(address)), length + 96),
        IpAddr::V6(address) => (address.into(), length),
    }
}

fn insert(nodes: &mut Vec<[Record; 2]>, bits: u128, length: u32, offset: usize) {
    let side = |depth: u32| usize::from(bits >> (127 - depth) & 1 == 1);
    let mut node = 0;
    for depth in 0..length - 1 {
        node = match nodes[node][side(depth)] {
            Record::Node(next) => next,
            // What was said of the whole network goes on for its other parts.
            before => {
                nodes.push([before; 2]);
                nodes[node][side(depth)] = Record::Node(nodes.len() - 1);
                nodes.len() - 1
            }
        };
    }
    nodes[node][side(length - 1)] = Record::Data(offset);
}
