//! What is forgiven, what is refused, and how quickly.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{read::parse, *};

fn read(text: &str) -> Result<read::Element, Fault> {
    parse(text.as_bytes(), &["Raw"]).map_err(|error| error.fault)
}

fn raw(inside: &str) -> Option<String> {
    let text = format!("<a xmlns:p='urn:p' xmlns:q='urn:q'><Raw>{inside}</Raw></a>");
    read(&text).expect("well-formed").children[0].raw.as_ref().map(|raw| raw.as_str().to_owned())
}

#[test]
fn what_players_forgive_is_forgiven() {
    for (text, expect) in [
        ("<a>x</a>", "x"),
        ("\u{feff}  <?xml version='1.0' encoding='utf-16'?> <a> x </a> trailing", "x"),
        ("<n:a xmlns:n='urn:n'>x</n:a>", "x"),
        ("<a><!-- no -->https://x.example/?a=1&b=2&amp;c=3<?pi?></a>", "https://x.example/?a=1&b=2&c=3"),
        ("<a>&nbsp;&#65;&#x42;&#0;</a>", "&nbsp;AB"),
        ("<a>\r\n <![CDATA[ https://x.example/?a&b ]]>\r\n</a>", "https://x.example/?a&b"),
        ("<a>one<![CDATA[ < ]]>two</a>", "one < two"),
        ("<a>x\u{1}y</a>", "xy"),
    ] {
        assert_eq!(read(text).map(|root| root.text), Ok(expect.to_owned()), "{text}");
    }
    let root = read("<a B=c d='e' d=\"f\" g='x &lt;&amp;&unknown; &'/>").expect("read");
    assert_eq!(root.attribute("b"), Some("c"));
    assert_eq!(root.attribute("D"), Some("e"));
    assert_eq!(root.attribute("g"), Some("x <&&unknown; &"));
    assert_eq!(root.attribute("none"), None);
}

#[test]
fn latin_1_is_read_where_it_is_declared() {
    let text = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>caf\xe9</a>";
    assert_eq!(parse(text, &[]).map(|root| root.text), Ok("café".to_owned()));
    assert_eq!(parse(b"<a>caf\xe9</a>", &[]).map(|_| ()).map_err(|error| error.fault), Err(Fault::Encoding));
}

#[test]
fn what_is_no_xml_is_refused_with_its_place() {
    for text in ["", " \n ", "<!-- -->"] {
        assert_eq!(read(text).map(|_| ()), Err(Fault::Empty), "{text}");
    }
    for text in ["{\"a\": 1}", "Not found", "x <a/>", "&lt;a/&gt;"] {
        assert_eq!(read(text).map(|_| ()), Err(Fault::Outside), "{text}");
    }
    for text in ["<a>", "<a><b></b>"] {
        assert_eq!(read(text).map(|_| ()), Err(Fault::Unclosed), "{text}");
    }
    for text in
        ["<a></b>", "<a><b></a></b>", "<a", "<a b='", "<a><![CDATA[", "<a><!-- ", "</a>", "<a><!ENTITY x 'y'></a>"]
    {
        assert!(matches!(read(text), Err(Fault::Syntax(_))), "{text}");
    }
    let error = parse(b"<a>\n\n  <b></c>\n</a>", &[]).expect_err("wrong end");
    assert_eq!(error.at, Position { byte: 10, line: 3 });
}

#[test]
fn entities_cannot_be_declared_and_so_cannot_grow() {
    let bomb = "<!DOCTYPE a [<!ENTITY b 'bbbbbbbbbb'><!ENTITY c '&b;&b;&b;&b;&b;'>]><a>&c;&c;&c;</a>";
    let outside = "<?xml version='1.0'?><!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>";
    let parameter = "<!DOCTYPE a [<!ENTITY % x SYSTEM 'http://x.example/x.dtd'> %x;]><a/>";
    for text in [bomb, outside, parameter, "<!doctype a><a/>"] {
        assert_eq!(read(text).map(|_| ()), Err(Fault::DocType), "{text}");
    }
}

#[test]
fn each_limit_is_refused_one_beyond_it() {
    let deep = |levels: usize| ["<a>".repeat(levels), "</a>".repeat(levels)].concat();
    assert!(read(&deep(MAX_DEPTH)).is_ok());
    assert_eq!(read(&deep(MAX_DEPTH + 1)).map(|_| ()), Err(Fault::TooDeep));

    let wide = |elements: usize| format!("<a>{}</a>", "<b/>".repeat(elements - 1));
    assert!(read(&wide(MAX_ELEMENTS)).is_ok());
    assert_eq!(read(&wide(MAX_ELEMENTS + 1)).map(|_| ()), Err(Fault::TooManyElements));

    let many = |attributes: usize| format!("<a {}/>", (0..attributes).map(|n| format!("a{n}='' ")).collect::<String>());
    assert!(read(&many(MAX_ATTRIBUTES)).is_ok());
    assert_eq!(read(&many(MAX_ATTRIBUTES + 1)).map(|_| ()), Err(Fault::TooManyAttributes));

    let long = |bytes: usize| format!("<a>{}</a>", "x".repeat(bytes));
    assert!(read(&long(MAX_TEXT)).is_ok());
    assert_eq!(read(&long(MAX_TEXT + 1)).map(|_| ()), Err(Fault::TextTooLong));
    assert_eq!(read(&format!("<a b='{}'/>", "x".repeat(MAX_TEXT + 1))).map(|_| ()), Err(Fault::TextTooLong));
    assert_eq!(read(&" ".repeat(MAX_BYTES + 1)).map(|_| ()), Err(Fault::TooLarge));

    let pieces = |pieces: usize| format!("<a>{}</a>", "<!---->".repeat(pieces - 2));
    assert!(read(&pieces(MAX_PIECES)).is_ok());
    assert_eq!(read(&pieces(MAX_PIECES + 1)).map(|_| ()), Err(Fault::TooManyPieces));

    // Within what is kept as it is, too.
    let kept = |inside: &str| read(&format!("<a><Raw>{inside}</Raw></a>")).map(|_| ());
    assert_eq!(kept(&deep(MAX_DEPTH)), Err(Fault::TooDeep));
    assert_eq!(kept(&"<b/>".repeat(MAX_ELEMENTS)), Err(Fault::TooManyElements));
    assert_eq!(kept(&"x".repeat(MAX_TEXT + 1)), Err(Fault::TextTooLong));
    assert_eq!(kept(&format!("<b {}/>", "a='' ".repeat(MAX_ATTRIBUTES + 1))), Ok(()), "one name is one attribute");
}

/// Largest documents of the worst kinds. Seconds are for slow machines: what is meant is minutes.
#[test]
fn the_worst_documents_are_done_with_quickly() {
    let attributes: String = (0..MAX_ATTRIBUTES).map(|n| format!("xmlns:a{n}='urn:a' ")).collect();
    let uri = "u".repeat(60_000);
    let copies = format!("<a xmlns:p='{uri}'>{}</a>", "<Raw><p:b/><p:b/><p:b/></Raw>".repeat(3_000));
    let worst = [
        "<a>".repeat(MAX_BYTES / 3),
        "<".repeat(MAX_BYTES),
        "&".repeat(MAX_BYTES),
        format!("<a>{}</a>", format!("<b>{}</b>", "&".repeat(200_000)).repeat(10)),
        format!("<a>{}", "&amp;".repeat(MAX_TEXT)),
        format!("<a b='{}", "&".repeat(MAX_BYTES - 10)),
        format!("<a {}", "b ".repeat(MAX_BYTES / 2 - 10)),
        format!("<a><Raw>{}</Raw></a>", format!("<b {attributes}><c/></b>").repeat(1_000)),
        format!("<a><Raw>{}", "<![CDATA[]]>".repeat(MAX_BYTES / 12 - 10)),
        format!("<a><!--{}", "-".repeat(MAX_BYTES - 10)),
        copies,
    ];
    for text in worst {
        let start = Instant::now();
        let _either = read(&text);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(10), "{took:?} for {}…", &text[..20]);
    }
}

#[test]
fn what_is_copied_from_a_document_holds_everything_it_needs() {
    assert_eq!(
        raw("<b c='1'/> text &amp; <![CDATA[<x>]]>").as_deref(),
        Some("<b c=\"1\"/> text &amp; <![CDATA[<x>]]>")
    );
    let both = "<p:b xmlns:q=\"urn:q\" xmlns:p=\"urn:p\"><c q:d=\"\"/></p:b>";
    assert_eq!(raw("<p:b><c q:d=''/></p:b>").as_deref(), Some(both));
    // Declared where it is used: not again.
    assert_eq!(raw("<p:b xmlns:p='urn:own'/>").as_deref(), Some("<p:b xmlns:p=\"urn:own\"/>"));
    assert_eq!(raw("<!-- gone --><?gone?>").as_deref(), Some(""));
    // Cannot be copied, and cost nothing but themselves.
    for wrong in ["<none:b/>", "<b none:c=''/>", "<1/>", "<b é=''/>", "<a:b:c/>", "<b xmlns:p=''/>", "<b c&='x'/>"] {
        assert_eq!(raw(wrong), None, "{wrong}");
    }
    assert!(RawXml::new("<b>").is_err() && RawXml::new("</b><b>").is_err() && RawXml::new("<p:b/>").is_err());
    assert!(RawXml::new("<!DOCTYPE b><b/>").is_err());
}

proptest! {
    #[test]
    fn copies_are_well_formed_and_copied_again_are_the_same(inside in "(<(/)?[abp:]{1,3}( [apx:]{1,2}='[&x]?')?(/)?>|&|;|x|<!\\[CDATA\\[|\\]\\]>){0,12}") {
        if let Ok(first) = RawXml::new(&inside) {
            let again = RawXml::new(first.as_str());
            prop_assert_eq!(again.as_ref(), Ok(&first));
        }
    }

    #[test]
    fn texts_written_anywhere_are_read_as_they_were(text in "\\PC{0,30}", tail in "[\\]>&<\"\r\n\t\u{1}]{0,6}") {
        let text = format!("{text}{tail}x");
        let mut w = Writer::document();
        w.element("a", attributes().with("b", format!("x{text}")), |w| {
            w.cdata("c", attributes(), &text);
            w.text("d", attributes(), &text);
        });
        let root = read(&w.finish()).expect("it was written");
        let expect: String = text.chars().filter(|c| is_allowed(*c)).collect();
        prop_assert_eq!(root.attribute("b"), Some(&*format!("x{expect}")));
        prop_assert_eq!(root.text_of("c"), Some(expect.trim_start().to_owned()));
        prop_assert_eq!(root.text_of("d"), Some(expect.trim_start().to_owned()));
    }
}
