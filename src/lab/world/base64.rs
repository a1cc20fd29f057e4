//! Base64 as kubeconfigs and Secrets have it.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word = three.iter().chain(std::iter::repeat(&0)).take(3).fold(0_usize, |w, b| w << 8 | usize::from(*b));
        for place in 0..4 {
            out.push(if place <= three.len() { char::from(DIGITS[word >> (18 - 6 * place) & 63]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_pads() {
        assert_eq!(["abc", "ab", "a", ""].map(|t| super::encode(t.as_bytes())), ["YWJj", "YWI=", "YQ==", ""]);
    }
}
