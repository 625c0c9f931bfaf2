use super::*;

fn tokens(text: &[u8]) -> Result<String, Fault> {
    let mut text = text.to_vec();
    let mut reader = Reader::new(&mut text);
    tokens_of(&mut reader).map_err(|Stop| reader.fault().unwrap())
}

/// Every token of the text, in words.
fn tokens_of(reader: &mut Reader) -> Result<String, Stop> {
    let mut out = String::new();
    loop {
        match reader.value()? {
            Value::Array => out += "[",
            Value::Object => out += "{",
            Value::Str(s) => out += &format!("{:?} ", s.to_str().unwrap()),
            Value::Number(Number::Int(negative, n)) => {
                out += &format!("{}{n} ", if negative { "-" } else { "" })
            }
            other => out += &format!("{other:?} "),
        }
        loop {
            if reader.depth == 0 {
                return Ok(out);
            }
            if reader.objects & 1 == 1 {
                match reader.key()? {
                    Some(key) => out += &format!("{}=", key.to_str().unwrap()),
                    None => {
                        out += "}";
                        continue;
                    }
                }
            } else if !reader.more()? {
                out += "]";
                continue;
            }
            break;
        }
    }
}

fn fault(text: &[u8]) -> (u32, u32, &'static str) {
    let fault = tokens(text).expect_err("it must not be read");
    (fault.pos.line, fault.pos.col, fault.why.to_string().leak())
}

#[test]
fn a_document_in_tokens() {
    let text = b" {\"a\": [1, -2, true,false,null], \"b\" :{}, \"c\":[ ] , \"d\":\"x\"}";
    assert_eq!(tokens(text).unwrap(), "{a=[1 -2 Bool(true) Bool(false) Null ]b={}c=[]d=\"x\" }");
}

#[test]
fn strings_are_decoded_in_place() {
    let text =
        br#"["\u0026\u003C", "\ud83d\ude00\u00e9", "\"\\\/\b\f\n\r\t", "", "\u00e9x", "\\u"]"#;
    let expected = r#"["&<" "😀é" "\"\\/\u{8}\u{c}\n\r\t" "" "éx" "\\u" ]"#;
    assert_eq!(tokens(text).unwrap(), expected);
    let edges = br#"["\ud800\udc00", "\udbff\udfff", "\uffff"]"#;
    let expected = format!("[{:?} {:?} {:?} ]", "\u{10000}", "\u{10ffff}", "\u{ffff}");
    assert_eq!(tokens(edges).unwrap(), expected);
    assert_eq!(tokens("\"aé😀\"".as_bytes()).unwrap(), "\"aé😀\" ");
}

#[test]
fn bad_strings_are_refused_where_they_are_bad() {
    assert_eq!(fault(br#"["ab\u0000"]"#), (1, 5, string_nul()));
    assert_eq!(fault(br#"["\ud800x"]"#), (1, 3, "half of a surrogate pair: not a character"));
    assert_eq!(fault(br#"["\ud800\u0041"]"#).1, 3);
    assert_eq!(fault(br#"["\udc00"]"#).1, 3);
    assert_eq!(fault(b"[\n\"ab\xffc\"]"), (2, 4, "not UTF-8"));
    assert_eq!(fault(b"[\"a\x01\"]"), (1, 4, "a control character in a string must be escaped"));
    assert_eq!(fault(b"[\"a\nb\"]").1, 4);
    assert_eq!(fault(br#"["\x41"]"#), (1, 3, "no such escape"));
    assert_eq!(fault(br#"["\u12"]"#), (1, 3, "\\u needs four hexadecimal digits"));
    assert_eq!(fault(br#"["\u12G4"]"#).1, 3);
    assert_eq!(fault(br#"["abc"#), (1, 2, "the string has no end"));
    assert_eq!(fault(br#"["abc\"#), (1, 2, "the string has no end"));
}

fn string_nul() -> &'static str {
    "a string can't have a NUL inside: no path, name or argument has"
}

#[test]
fn numbers_are_exact() {
    let number = |text: &str| {
        let mut text = text.as_bytes().to_vec();
        match Reader::new(&mut text).value() {
            Ok(Value::Number(number)) => number,
            other => panic!("{other:?}"),
        }
    };
    for (text, value) in [
        ("0", 0),
        ("-0", 0),
        ("1.0", 1),
        ("1e3", 1000),
        ("1.5e1", 15),
        ("-1.50E+2", -150),
        ("1000e-3", 1),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
        ("0e999999999999999999999", 0),
        ("1.00000000000000000000000000000000000", 1),
        ("1000000000000000000000000000000e-30", 1),
    ] {
        assert_eq!(number(text).as_i64(), Some(value), "{text}");
    }
    assert_eq!(number("18446744073709551615").as_u64(), Some(u64::MAX));
    assert_eq!(number("9223372036854775808").as_i64(), None);
    assert_eq!(number("-1").as_u64(), None);
    for huge in ["18446744073709551616", "1e20", "1e99999999999999999999", "123456789012345678901"]
    {
        assert_eq!(number(huge), Number::Huge, "{huge}");
    }
    for fraction in ["1.5", "1e-1", "0.1", "15e-1", "1e-99999999999999999999"] {
        assert_eq!(number(fraction), Number::Fraction, "{fraction}");
    }
}

#[test]
fn what_is_not_json_is_refused() {
    assert_eq!(fault(b"[1,]"), (1, 3, "a comma with nothing after it"));
    assert_eq!(fault(b"{\"a\":1,}"), (1, 7, "a comma with nothing after it"));
    assert_eq!(fault(b"[1 2]"), (1, 4, "expected a comma or ]"));
    assert_eq!(fault(b"{\"a\" 1}"), (1, 6, "expected a colon after the key"));
    assert_eq!(fault(b"{a:1}"), (1, 2, "expected a key in double quotes"));
    assert_eq!(fault(b"[// no\n1]"), (1, 2, "JSON has no comments"));
    assert_eq!(fault(b"[\n  1,\n  x]"), (3, 3, "expected a value"));
    assert_eq!(fault(b"[01]"), (1, 2, "a number can't begin with 0"));
    assert_eq!(fault(b"[1.]"), (1, 4, "expected a digit"));
    assert_eq!(fault(b"[-]"), (1, 3, "expected a digit"));
    assert_eq!(fault(b"[1x]"), (1, 3, "not a part of a number"));
    assert_eq!(fault(b"[nulll]"), (1, 2, "expected a value"));
    assert_eq!(fault(b"[,1]"), (1, 2, "expected a value"));
    for cut in [&b""[..], b"[", b"[1", b"[1,", b"{", b"{\"a\"", b"{\"a\":", b"{\"a\":1,"] {
        assert_eq!(fault(cut).2, "the text ends before the value does");
    }
}

#[test]
fn nesting_has_a_limit_and_no_recursion() {
    let nested = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();
    assert!(tokens(&nested(DEPTH as usize)).is_ok());
    assert_eq!(fault(&nested(DEPTH as usize + 1)), (1, 65, "nested more than 64 deep"));
}

#[test]
fn skip_passes_over_one_value() {
    let mut text = br#"[{"a":[1,{"b":[]}],"c":"]"}, 7]"#.to_vec();
    let mut reader = Reader::new(&mut text);
    assert_eq!(reader.value(), Ok(Value::Array));
    assert_eq!(reader.more(), Ok(true));
    assert_eq!(reader.skip(), Ok(()));
    assert_eq!(reader.more(), Ok(true));
    assert_eq!(reader.value(), Ok(Value::Number(Number::Int(false, 7))));
    assert_eq!(reader.pos(), Pos { line: 1, col: 30 });
    assert_eq!(reader.more(), Ok(false));
    assert!(reader.at_end());
}

#[test]
fn a_byte_order_mark_has_no_column() {
    let mut text = b"\xef\xbb\xbf {} x".to_vec();
    let mut reader = Reader::new(&mut text);
    assert!(reader.bom());
    assert_eq!(reader.value(), Ok(Value::Object));
    assert_eq!(reader.pos(), Pos { line: 1, col: 2 });
    assert_eq!(reader.key(), Ok(None));
    assert!(!reader.at_end());
    assert_eq!(reader.pos(), Pos { line: 1, col: 5 });
}

#[test]
fn positions_count_bytes_also_after_strings() {
    let mut text = "[\"é\", \"\\n\",\r\n\t5]".as_bytes().to_vec();
    let mut reader = Reader::new(&mut text);
    let mut places = Vec::new();
    reader.value().unwrap();
    while reader.more().unwrap() {
        reader.value().unwrap();
        places.push((reader.pos().line, reader.pos().col));
    }
    assert_eq!(places, [(1, 2), (1, 8), (2, 2)]);
}

#[test]
fn a_line_is_shown_with_its_caret() {
    let shown = |text: &[u8], line, col| {
        let mut out = String::new();
        show_line(&mut out, text, Pos { line, col }).unwrap();
        out
    };
    assert_eq!(shown(b"{\n\t\"a\": x\n}", 2, 7), "  \t\"a\": x\n  \t     ^\n");
    assert_eq!(shown("\"é\": \x1bx".as_bytes(), 1, 8), "  \"é\": \\u{1b}x\n             ^\n");
    assert_eq!(shown(b"\xef\xbb\xbf{]", 1, 2), "  {]\n   ^\n");
    assert_eq!(shown(b"{", 1, 9), "  {\n   ^\n");
    assert_eq!(shown(b"{", 7, 1), "");
    assert_eq!(shown(b"{", 0, 0), "");
    let long = [vec![b'a'; 100], vec![b'X'], vec![b'b'; 100]].concat();
    let part = format!("  …{}X{}…\n   {}^\n", "a".repeat(36), "b".repeat(35), " ".repeat(36));
    assert_eq!(shown(&long, 1, 101), part);
}
