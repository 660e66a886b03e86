//! A CUDA toolkit that lacks something is told before kernels fail for want of it. Neither CUDA nor a device is needed.

#[path = "../src/backend/cuda/headers.rs"]
mod headers;

use std::fs;

#[test]
fn what_a_toolkit_lacks_is_named() {
    assert!(headers::check(None).unwrap_err().contains("CUDA_PATH"));
    let toolkit = tempfile::tempdir().unwrap();
    for header in ["cuda_runtime.h", "cuda_fp16.h", "cooperative_groups.h", "cccl/cuda/barrier"] {
        let path = toolkit.path().join("include").join(header);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let told = headers::check(Some(toolkit.path())).unwrap_err();
    assert!(told.contains("include/crt/mma.h") && told.contains(toolkit.path().to_str().unwrap()), "{told}");
    let include = toolkit.path().join("include");
    fs::create_dir(include.join("crt")).unwrap();
    fs::write(include.join("crt/mma.h"), "").unwrap();
    assert_eq!(headers::check(Some(toolkit.path())), Ok(()));
}
