//! Looking for a Vulkan device before Burn does, which panics where there is none.

use std::path::Path;

use burn_wgpu::WgpuDevice;
use wgpu::{Backends, DeviceType, Instance, InstanceDescriptor};

use crate::{Asked, EngineError};

/// Whether a hardware Vulkan device can exist. On Linux every driver needs one of these device files; without them
/// drivers are not asked, because Mesa's complain on stderr where there is no desktop.
fn hardware_may_exist() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let render_node = std::fs::read_dir("/dev/dri").is_ok_and(|mut files| files.next().is_some());
    render_node
        || ["/dev/nvidiactl", "/dev/dxg", "/dev/mali0", "/dev/kgsl-3d0"].iter().any(|f| Path::new(f).exists())
}

/// The device `index`, counted over discrete, integrated, virtual and, if allowed, software devices in this order;
/// and its name.
///
/// # Errors
/// [`EngineError::Backend`] if there is none.
pub(super) fn find(index: usize, software_too: bool) -> Result<(WgpuDevice, String), EngineError> {
    if !software_too && !hardware_may_exist() {
        let problem = "no hardware Vulkan device found: there is no /dev/dri".to_owned();
        return Err(EngineError::Backend { backend: "wgpu", asked: Asked::Backend, problem });
    }
    let mut descriptor = InstanceDescriptor::new_without_display_handle();
    descriptor.backends = Backends::PRIMARY;
    let adapters = pollster::block_on(Instance::new(descriptor).enumerate_adapters(Backends::PRIMARY));
    let infos: Vec<_> = adapters.iter().map(wgpu::Adapter::get_info).collect();
    let names =
        |kind: DeviceType| infos.iter().filter(move |i| i.device_type == kind).map(|i| i.name.clone());
    let discrete =
        names(DeviceType::DiscreteGpu).enumerate().map(|(i, name)| (WgpuDevice::DiscreteGpu(i), name));
    let integrated =
        names(DeviceType::IntegratedGpu).enumerate().map(|(i, name)| (WgpuDevice::IntegratedGpu(i), name));
    let virtual_ =
        names(DeviceType::VirtualGpu).enumerate().map(|(i, name)| (WgpuDevice::VirtualGpu(i), name));
    let mut found: Vec<_> = discrete.chain(integrated).chain(virtual_).collect();
    if software_too {
        found.extend(
            names(DeviceType::Cpu).take(1).map(|name| (WgpuDevice::Cpu, format!("{name}, in software"))),
        );
    }
    let count = found.len();
    found.into_iter().nth(index).ok_or_else(|| {
        let (asked, problem) = match (count, software_too) {
            (0, true) => {
                let problem = "no Vulkan device found: looked for libvulkan.so.1 and a driver for it";
                (Asked::Backend, problem.to_owned())
            }
            (0, false) => (Asked::Backend, "no hardware Vulkan device found".to_owned()),
            _ => {
                (Asked::Device(index), format!("does not exist: there are {count} Vulkan device(s), from 0"))
            }
        };
        EngineError::Backend { backend: "wgpu", asked, problem }
    })
}
