//! Tar archives that must be refused, each by name.

use super::{
    bench::{Bench, gz, zst},
    raw_tar::{GNU, Head, MAGIC, MODE, SIZE, Tar},
};
use drivers::releases::archive::Format;

pub struct Case {
    pub name: &'static str,
    pub words: &'static str,
    pub bytes: Vec<u8>,
}

fn case(name: &'static str, words: &'static str, tar: Tar) -> Case {
    Case { name, words, bytes: tar.end() }
}

pub fn cases() -> Vec<Case> {
    [paths(), links(), kinds(), names(), heads(), ends()].into_iter().flatten().collect()
}

fn paths() -> Vec<Case> {
    let tar = Tar::new;
    let deep = "d/".repeat(65) + "x";
    vec![
        case("absolute", "`/tmp/evil` has an absolute path", tar().file("/tmp/evil")),
        case("parent", "`../evil` leads out", tar().file("../evil")),
        case("parent inside", "`a/../../evil` leads out", tar().file("a/../../evil")),
        case("parent that stays", "leads out", tar().file("a/../b")),
        case("parent by prefix", "leads out", {
            let head = Head::new(b'0', b"evil", b"", 4).with(345..500, b"a/../..");
            tar().head(head, b"data")
        }),
        case("parent by a long name", "leads out", tar().long_name(b"../evil\0").file("x")),
        case("parent by pax", "leads out", tar().attributes(b'x', &[("path", "../e")]).file("x")),
        case("nothing but parent", "leads out", tar().directory("..")),
        case("the root is a file", "only a directory can have", tar().file(".")),
        case("no name", "has no name", tar().file("")),
        case("NUL in pax", "NUL", tar().attributes(b'x', &[("path", "a\0b")]).file("x")),
        case("NUL in a long name", "long name that is none", tar().long_name(b"a\0b\0").file("x")),
        case("deep", "directories deep", tar().long_name(deep.as_bytes()).file("x")),
        case("5000 deep", "too long", {
            tar().long_name(("d/".repeat(5_000) + "x").as_bytes()).file("x")
        }),
        case("long path", "too long a path", tar().long_name(&[b'x'; 4_097]).file("x")),
        case("huge name", "too long", tar().long_name(&[b'x'; 70_000]).file("x")),
    ]
}

fn links() -> Vec<Case> {
    let tar = Tar::new;
    let out = "is a link out of the release";
    vec![
        case("link to an absolute path", out, tar().link("a", "/etc/passwd").file("x")),
        case("link to the parent", out, tar().link("a", "../x").file("x")),
        case("link out from below", out, tar().link("d/e", "../../x").file("x")),
        case("links out together", out, {
            tar().file("z/f").link("d/e/b", "../../z").link("d/e/a", "b/../..")
        }),
        case("link to itself", out, tar().link("a", "a").file("x")),
        case("links in a ring", out, tar().link("a", "b").link("b", "a").file("x")),
        case("endless link", out, {
            let target = "x/../".repeat(200);
            tar().long_link(target.as_bytes()).link("a", "").file("x")
        }),
        case("file through a link", "no directory", tar().link("a", "/tmp").file("a/evil")),
        case("file through an inner link", "no directory", {
            tar().directory("d").link("a", "d").file("a/b")
        }),
        case("directory over a link", "there twice", {
            tar()
                .link("a", "/tmp")
                .head(Head::new(b'5', b"a", b"", 0).with(MODE, b"0000777\0"), b"")
        }),
        case("file over a link", "there twice", tar().link("a", "/tmp/evil").file("a")),
        case("link over a directory", "there twice", tar().directory("a").link("a", "b")),
        case("link without a target", "without a proper target", tar().link("a", "").file("x")),
        case("hard link out", "`a` is a hard link out", tar().copy("a", "../x").file("x")),
        case(
            "hard link to an absolute path",
            "`a` is a hard link out",
            tar().copy("a", "/etc/passwd").file("x"),
        ),
        case("hard link to a link", "is a hard link to what is no file", {
            tar().link("l", "x").copy("a", "l").file("x")
        }),
        case("hard link to a directory", "is a hard link to", tar().directory("d").copy("a", "d")),
        case("hard link to what comes later", "is a hard link to", tar().copy("a", "x").file("x")),
        case("hard link to itself", "is a hard link to", tar().copy("a", "a").file("x")),
        case("hard link with content", "has content, but is no file", {
            tar().file("x").entry(b'1', b"a", b"x", b"more")
        }),
        case("link with content", "has content, but is no file", {
            tar().entry(b'2', b"a", b"x", b"more")
        }),
    ]
}

fn kinds() -> Vec<Case> {
    let tar = Tar::new;
    let of = |kind: u8| tar().file("x").entry(kind, b"odd", b"", b"");
    vec![
        case("character device", "`odd` is a device", of(b'3')),
        case("block device", "`odd` is a device", of(b'4')),
        case("FIFO", "`odd` is a FIFO", of(b'6')),
        case("contiguous", "`odd` is neither", of(b'7')),
        case("sparse", "`odd` is sparse", of(b'S')),
        case("dump directory", "`odd` is neither", of(b'D')),
        case("volume", "`odd` is neither", of(b'V')),
        case("part of a volume", "`odd` is a part", of(b'M')),
        case("unknown kind", "`odd` is neither", of(b'Z')),
        case("sparse by pax", "sparse", {
            let records = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")];
            tar().attributes(b'x', &records).file("x")
        }),
        case("sparse by an old pax", "sparse", {
            tar().attributes(b'x', &[("GNU.sparse.size", "9")]).file("x")
        }),
        case("sparse by star", "sparse", {
            tar().attributes(b'x', &[("SCHILY.realsize", "9")]).file("x")
        }),
        case("directory with content", "has content", tar().entry(b'5', b"d", b"", b"data")),
        case("file with a slash", "only a directory", tar().entry(b'0', b"d/", b"", b"")),
        case("file with a dot", "only a directory", tar().entry(b'0', b"d/.", b"", b"")),
        case("only directories", "no files", tar().directory("only")),
        Case { name: "empty", words: "no files", bytes: vec![0; 10_240] },
    ]
}

fn names() -> Vec<Case> {
    let tar = Tar::new;
    vec![
        case("file twice", "`a` is there twice", tar().file("a").file("a")),
        case("file twice, with a dot", "`a` is there twice", tar().file("a").file("./a")),
        case("file twice, with slashes", "there twice", tar().file("d/a").file("d//a")),
        case("directory twice", "there twice", tar().directory("a/").directory("a")),
        case("directory over a file", "there twice", tar().file("a").directory("a")),
        case("file below a file", "no directory", tar().file("a").file("a/b")),
        case("case", "`README` differs from `readme`", tar().file("readme").file("README")),
        case("case of a directory", "differs from `lib`", tar().file("lib/a").file("LIB/b")),
        case("accents", "only by case or by", tar().file("caf\u{e9}").file("cafe\u{301}")),
        case("sharp s", "only by case or by", tar().file("stra\u{df}e").file("STRASSE")),
        case("ligature", "only by case or by", tar().file("file").file("\u{fb01}le")),
    ]
}

fn heads() -> Vec<Case> {
    let tar = Tar::new;
    let x = || Head::new(b'0', b"x", b"", 4);
    let attributes = |records: &[(&str, &str)]| tar().attributes(b'x', records).file("x");
    vec![
        case("two sizes by pax", "`x` has two sizes", attributes(&[("size", "512")])),
        case("size hides a head", "has two sizes", {
            // Who takes the size of the attributes sees `seen`, who does not sees `hidden`.
            let hidden = Head::new(b'0', b"hidden", b"", 0).summed();
            tar()
                .attributes(b'x', &[("size", "0")])
                .head(Head::new(b'0', b"x", b"", 512), &hidden)
                .file("seen")
        }),
        case("size twice by pax", "no one meaning", attributes(&[("size", "4"), ("size", "4")])),
        case("path twice by pax", "no one meaning", attributes(&[("path", "a"), ("path", "b")])),
        case("path for all", "no one meaning", {
            tar().attributes(b'g', &[("path", "a")]).file("x")
        }),
        case("size for all", "no one meaning", tar().attributes(b'g', &[("size", "9")]).file("x")),
        case("path taken back", "are broken", attributes(&[("path", "")])),
        case("time that is no number", "no one meaning", attributes(&[("mtime", "a")])),
        case("size that is no number", "no one meaning", attributes(&[("size", "+4")])),
        case("record of a wrong length", "are broken", {
            tar().entry(b'x', b"pax", b"", b"99999 path=x\n").file("x")
        }),
        case("record of a signed length", "are broken", {
            tar().entry(b'x', b"pax", b"", b"+9 path=x\n").file("x")
        }),
        case("name by pax and GNU", "two heads of one entry", {
            tar().attributes(b'x', &[("path", "a")]).long_name(b"b\0").file("x")
        }),
        case("attributes twice", "two heads of one entry", {
            tar().attributes(b'x', &[("path", "a")]).attributes(b'x', &[("mtime", "0")]).file("x")
        }),
        case("long name twice", "two heads", tar().long_name(b"a\0").long_name(b"b\0").file("x")),
        case("long name that goes on in its padding", "goes on after it", {
            let head = Head::new(b'L', b"././@LongLink", b"", 2);
            let data = [b"short\0".as_slice(), &[0; 506]].concat();
            tar().raw(&head.summed()).raw(&data).file("x")
        }),
        case("attributes of nothing", "attributes of nothing", {
            tar().file("x").attributes(b'x', &[("path", "a")])
        }),
        case("too many for all", "too often", {
            (0..101).fold(tar(), |it, _| it.attributes(b'g', &[("comment", "c")])).file("x")
        }),
        case("unix version 7", "`a` is followed by what is no head", {
            tar().file("a").head(x().with(MAGIC, b""), b"data")
        }),
        case("wrong checksum", "`a` is followed by a head with a wrong checksum", {
            let mut head = x().with(MAGIC, GNU).summed();
            head[0] = b'y';
            tar().file("a").raw(&head).raw(&[0; 512])
        }),
        case("size of nothing", "a size that is no number", tar().head(x().with(SIZE, b""), b"")),
        case("size with a sign", "no number", tar().head(x().with(SIZE, b"-0000000001\0"), b"")),
        case("size below zero", "no number", tar().head(x().with(SIZE, &[0xff; 12]), b"")),
        case("size of 9 GiB", "`x` would make it more than", {
            tar().head(Head::new(b'0', b"x", b"", 9 << 30), b"")
        }),
        case("size of all bits", "`x` would make it more than", {
            let mut size = [0xff; 12];
            size[..4].copy_from_slice(&[0x80, 0, 0, 0]);
            tar().head(x().with(SIZE, &size), b"")
        }),
        case("mode that is no number", "no number", tar().head(x().with(MODE, b"rw-r--r-"), b"d")),
    ]
}

fn ends() -> Vec<Case> {
    let tar = || Tar::new().file("x");
    let whole = tar().end();
    let open = |name, words, bytes: Vec<u8>| Case { name, words, bytes };
    vec![
        open("no end", "`x` is cut off before the end", tar().open()),
        open("half of an end", "cut off before the end", tar().raw(&[0; 512]).open()),
        open("half of an end, then more", "half of an end", {
            tar().raw(&[0; 512]).file("y").end()
        }),
        open("cut in a head", "cut off before the end", whole[..300].to_vec()),
        open("cut in a file", "`x` is cut off: 2 of 4 bytes", whole[..514].to_vec()),
        open("cut in padding", "`x` is cut off at its end", whole[..600].to_vec()),
        open("second archive", "goes on after the end", [whole.clone(), whole.clone()].concat()),
        open("garbage at the end", "goes on after the end", [whole, b"more".to_vec()].concat()),
    ]
}

#[test]
fn nothing_hostile_is_taken() {
    let bench = Bench::new();
    for Case { name, words, bytes } in cases() {
        bench.refused(name, Format::Tar, &bytes, words);
        bench.refused(name, Format::TarGz, &gz(&bytes), words);
        bench.refused(name, Format::TarZst, &zst(&bytes), words);
    }
}
