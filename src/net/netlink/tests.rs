use super::request::{COUNT, ROOM};
use super::*;
use linux_raw_sys::netlink::{NLM_F_ACK_TLVS, NLM_F_CAPPED};

fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn requests_have_lengths_numbers_and_alignment() {
    let mut requests = Requests::default();
    requests.add((16, 0x400), &[1; 16], "make", "a");
    requests.attribute(3, b"eth0\0");
    let info = requests.begin(18);
    requests.attribute(1, b"veth");
    let data = requests.begin(2);
    let peer = requests.begin_with(1, &[2; 4]);
    requests.attribute(4, &[5]);
    requests.end(peer);
    requests.end(data);
    requests.end(info);
    requests.add((20, 0), &[7; 8], "add", "b");
    let (u16, u32) = (|n: u16| n.to_ne_bytes(), |n: u32| n.to_ne_bytes());
    let want = bytes(&[
        // The first asks for no answer of its own.
        &[&u32(76)[..], &u16(16), &u16(0x401), &u32(9), &[0; 4], &[1; 16]].concat(),
        &[&u16(9)[..], &u16(3), b"eth0\0\0\0\0"].concat(),
        &[&u16(32)[..], &u16(18)].concat(),
        &[&u16(8)[..], &u16(1), b"veth"].concat(),
        &[&u16(20)[..], &u16(2)].concat(),
        &[&u16(16)[..], &u16(1), &[2; 4]].concat(),
        &[&u16(5)[..], &u16(4), &[5, 0, 0, 0]].concat(),
        &[&u32(24)[..], &u16(20), &u16(5), &u32(10), &[0; 4], &[7; 8]].concat(),
    ]);
    assert_eq!(requests.finish(9).unwrap(), want);
}

#[test]
fn what_does_not_fit_is_never_sent() {
    let room = ROOM - HEADER - ATTRIBUTE;
    let mut requests = Requests::default();
    requests.add((16, 0), &[], "make", "a");
    requests.attribute(1, &vec![0; room]);
    assert_eq!(requests.finish(1).map(<[u8]>::len), Ok(ROOM));
    for len in [room + 1, 70_000] {
        let mut requests = Requests::default();
        requests.add((16, 0), &[], "make", "a");
        requests.attribute(1, &vec![0; len]);
        requests.attribute(2, b"more");
        assert_eq!(requests.finish(1), Err(Errno::MSGSIZE));
    }
    let mut requests = Requests::default();
    (0..COUNT).for_each(|_| requests.add((16, 0), &[], "make", "a"));
    assert!(requests.finish(1).is_ok());
    requests.add((16, 0), &[], "make", "a");
    assert_eq!(requests.finish(1), Err(Errno::MSGSIZE));
}

fn message(kind: u16, flags: u32, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let len = (HEADER + payload.len()) as u32;
    let header = [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), &(flags as u16).to_ne_bytes()];
    [&header.concat(), &sequence.to_ne_bytes()[..], &[0; 4], payload].concat()
}

fn verdict(datagram: &[u8]) -> (i32, Option<&[u8]>) {
    let (message, rest) = answer::split(datagram).unwrap();
    assert_eq!((message.kind, message.sequence, rest.len()), (2, 5, 0));
    (message.errno(), message.words())
}

#[test]
fn the_words_of_a_refusal_are_found_behind_the_request() {
    let refused =
        |flags, rest: &[u8]| message(2, flags, 5, &[&(-17i32).to_ne_bytes()[..], rest].concat());
    let request = message(16, 0, 5, &[1; 8]);
    let text = [&10u16.to_ne_bytes()[..], &1u16.to_ne_bytes(), b"taken\0\0\0"].concat();
    let offset = [&8u16.to_ne_bytes()[..], &2u16.to_ne_bytes(), &[0; 4]].concat();
    let full = refused(NLM_F_ACK_TLVS, &[&request[..], &offset, &text].concat());
    assert_eq!(verdict(&full), (17, Some(&b"taken"[..])));
    let capped = NLM_F_ACK_TLVS | NLM_F_CAPPED;
    let short = refused(capped, &[&request[..HEADER], &text].concat());
    assert_eq!(verdict(&short), (17, Some(&b"taken"[..])));
    assert_eq!(verdict(&refused(NLM_F_CAPPED, &request[..HEADER])), (17, None));
    assert_eq!(verdict(&message(2, 0, 5, &[&[0; 4], &request[..HEADER]].concat())), (0, None));
}

#[test]
fn a_datagram_is_split_into_its_messages() {
    let datagram = [message(16, 0, 6, b"abc"), vec![0], message(3, 0, 6, &[0; 4])].concat();
    let (first, rest) = answer::split(&datagram).unwrap();
    assert_eq!((first.kind, first.payload), (16, &b"abc"[..]));
    let (second, rest) = answer::split(rest).unwrap();
    assert_eq!((second.kind, second.sequence, rest.len()), (3, 6, 0));
    assert!(answer::split(rest).is_none());
}

#[test]
fn attributes_are_found_with_the_flags_of_nests() {
    let attributes = bytes(&[
        &[5, 0, 3, 0, b'x', 0, 0, 0],
        &[8, 0, 18, 0x80, 1, 2, 3, 4],
        &[6, 0, 1, 0, 9, 9], // the last has no padding
    ]);
    assert_eq!(find(&attributes, 3), Some(&b"x"[..]));
    assert_eq!(find(&attributes, 18), Some(&[1, 2, 3, 4][..]));
    assert_eq!(find(&attributes, 1), Some(&[9, 9][..]));
    assert_eq!(find(&attributes, 2), None);
    assert_eq!(find(&[0, 0, 3, 0], 3), None);
}

#[test]
fn no_answer_makes_it_read_beyond_its_end() {
    let request = message(16, 0, 5, &[1; 8]);
    let payload = [&(-1i32).to_ne_bytes()[..], &request, &[10, 0, 1, 0, 65]].concat();
    let whole = message(2, NLM_F_ACK_TLVS, 5, &payload);
    let read = |datagram: &[u8]| {
        let mut rest = datagram;
        while let Some((message, more)) = answer::split(rest) {
            assert!(more.len() < rest.len());
            rest = more;
            let _ = (message.errno(), message.words(), find(message.payload, 1));
        }
    };
    for end in 0..whole.len() {
        let mut cut = whole[..end].to_vec();
        read(&cut);
        // The same with a length that agrees, and with one that does not.
        for len in [end as u32, 0, 1, 16, u32::MAX] {
            if end >= 4 {
                cut[..4].copy_from_slice(&len.to_ne_bytes());
                read(&cut);
            }
        }
    }
}

#[test]
fn the_first_refusal_of_several_requests_is_told_and_the_socket_stays_usable() {
    let arena = Arena::new(vec![0; 4096].leak());
    let mut socket = Socket::open(&arena).unwrap();
    let up = |index: u32| {
        let mut fixed = [0; 16];
        fixed[4..8].copy_from_slice(&index.to_ne_bytes());
        fixed
    };
    let requests = &mut socket.requests;
    requests.add((18, 0), &up(1), "look at", "lo");
    requests.add((16, 0), &up(0x7fff_fff0), "bring up", "x");
    requests.add((16, 0), &up(0x7fff_fff1), "bring up", "y");
    let mut seen = 0;
    let error = socket.exchange(&mut |_| seen += 1).unwrap_err();
    assert_eq!(error.to_string(), "bring up x: No such device (ENODEV)");
    assert_eq!(seen, 1);
    let requests = &mut socket.requests;
    requests.add((16, 0x400), &up(0), "make", "x");
    let info = requests.begin(18);
    requests.attribute(1, b"no-such-kind\0");
    requests.end(info);
    let error = socket.send().unwrap_err();
    let want = "make x: Operation not supported (EOPNOTSUPP): Unknown device type";
    assert_eq!(error.to_string(), want);
    assert!(socket.send().is_ok());
}
