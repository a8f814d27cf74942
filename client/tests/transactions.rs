// SPDX-License-Identifier: Apache-2.0

//! Transactions and events against a real FRAME runtime with the transaction extensions of a PoAIW network: what this
//! client signs is decoded, checked and applied by the SDK itself.

// The runtime macro asks for features (`try-runtime` and the like) that a runtime crate has and this crate has not.
#![allow(unexpected_cfgs, missing_docs)]

use codec::{Compact, Decode, DecodeAll, Encode};
use frame_support::{derive_impl, traits::Get};
use poaiw::{
	chain::{
		extrinsic::{sign, Context},
		metadata::{arg, Metadata},
	},
	Error, Signer,
};
use poaiw_primitives::{AccountId, Address, Balance, Hash, Signature};
use polkadot_sdk::*;
use sp_runtime::{generic, traits::Checkable, BuildStorage};

type TxExtension = (
	frame_system::AuthorizeCall<Runtime>,
	frame_system::CheckNonZeroSender<Runtime>,
	frame_system::CheckSpecVersion<Runtime>,
	frame_system::CheckTxVersion<Runtime>,
	frame_system::CheckGenesis<Runtime>,
	frame_system::CheckMortality<Runtime>,
	frame_system::CheckNonce<Runtime>,
	frame_system::CheckWeight<Runtime>,
	pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
	frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
	frame_system::WeightReclaim<Runtime>,
);
type UncheckedExtrinsic = generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
type Block = generic::Block<poaiw_primitives::Header, UncheckedExtrinsic>;

#[frame_support::runtime]
mod runtime {
	#[runtime::runtime]
	#[runtime::derive(
		RuntimeCall,
		RuntimeEvent,
		RuntimeError,
		RuntimeOrigin,
		RuntimeFreezeReason,
		RuntimeHoldReason,
		RuntimeSlashReason,
		RuntimeLockId,
		RuntimeTask
	)]
	pub struct Runtime;

	#[runtime::pallet_index(0)]
	pub type System = frame_system::Pallet<Runtime>;
	// Not where a PoAIW network has it: only the metadata may decide.
	#[runtime::pallet_index(77)]
	pub type Balances = pallet_balances::Pallet<Runtime>;
	#[runtime::pallet_index(5)]
	pub type TransactionPayment = pallet_transaction_payment::Pallet<Runtime>;
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
	type Block = Block;
	type AccountId = AccountId;
	type Lookup = sp_runtime::traits::AccountIdLookup<AccountId, ()>;
	type Nonce = poaiw_primitives::Nonce;
	type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Runtime {
	type Balance = Balance;
	type AccountStore = System;
	type ExistentialDeposit = frame_support::traits::ConstU128<10>;
}

#[derive_impl(pallet_transaction_payment::config_preludes::TestDefaultConfig)]
impl pallet_transaction_payment::Config for Runtime {
	type OnChargeTransaction = pallet_transaction_payment::FungibleAdapter<Balances, ()>;
	type WeightToFee = frame_support::weights::IdentityFee<Balance>;
	type LengthToFee = frame_support::weights::IdentityFee<Balance>;
}

const GENESIS: Hash = Hash::repeat_byte(7);
const BIRTH: Hash = Hash::repeat_byte(8);
const RICH: Balance = 1 << 60;

fn alice() -> Signer {
	Signer::development("//Alice").unwrap()
}

fn bob() -> AccountId {
	Signer::development("//Bob").unwrap().account().clone()
}

fn metadata() -> Metadata {
	Metadata::decode(&Runtime::metadata().encode()).unwrap()
}

fn context() -> Context {
	let version: sp_version::RuntimeVersion = <Runtime as frame_system::Config>::Version::get();
	Context {
		spec_version: version.spec_version,
		transaction_version: version.transaction_version,
		genesis: GENESIS,
		birth: (3, BIRTH),
		nonce: 0,
		tip: 5,
	}
}

fn on_chain(test: impl FnOnce()) {
	let balances = vec![(alice().account().clone(), RICH)];
	let genesis = RuntimeGenesisConfig {
		balances: BalancesConfig {
			balances,
			..Default::default()
		},
		..Default::default()
	};
	sp_io::TestExternalities::new(genesis.build_storage().unwrap()).execute_with(|| {
		System::set_block_number(5);
		frame_system::BlockHash::<Runtime>::insert(0, GENESIS);
		frame_system::BlockHash::<Runtime>::insert(3, BIRTH);
		test()
	})
}

fn transfer(value: Balance) -> Vec<u8> {
	metadata()
		.call(
			"Balances",
			"transfer_keep_alive",
			&[arg(&Address::Id(bob())), arg(&Compact(value))],
		)
		.unwrap()
}

/// Decodes, checks and applies a transaction as block execution does; gives the events it left.
fn apply(bytes: &[u8]) -> Result<Vec<poaiw::chain::metadata::Event>, String> {
	use frame_support::dispatch::GetDispatchInfo;
	let transaction = UncheckedExtrinsic::decode_all(&mut &bytes[..]).map_err(|error| error.to_string())?;
	let lookup = frame_system::ChainContext::<Runtime>::default();
	let checked = transaction.check(&lookup).map_err(|error| format!("{error:?}"))?;
	let info = checked.get_dispatch_info();
	System::note_finished_initialize();
	System::note_extrinsic(bytes.to_vec());
	let result = sp_runtime::traits::Applyable::apply::<Runtime>(checked, &info, bytes.len())
		.map_err(|error| format!("{error:?}"))?;
	System::note_applied_extrinsic(&result, info);
	let metadata = metadata();
	let (key, _) = metadata.storage_key("System", "Events", &[]).unwrap();
	let stored = sp_io::storage::get(&key).expect("events are where the metadata says");
	Ok(metadata.events(&stored).unwrap())
}

#[test]
fn call_should_encode_as_the_runtime_does() {
	let expected = RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive {
		dest: Address::Id(bob()),
		value: 12345,
	});
	assert_eq!(transfer(12345), expected.encode());
	assert_eq!(RuntimeCall::decode(&mut &transfer(12345)[..]).unwrap(), expected);
}

#[test]
fn signed_transaction_should_be_accepted_and_applied() {
	on_chain(|| {
		let bytes = sign(&metadata(), &alice(), &transfer(1000), &context()).unwrap();
		let events = apply(&bytes).unwrap();
		assert_eq!(Balances::free_balance(bob()), 1000);
		let sent = events
			.iter()
			.find(|x| x.pallet == "Balances" && x.name == "Transfer")
			.unwrap();
		assert_eq!(sent.extrinsic, Some(0));
		assert_eq!(sent.fields["amount"], 1000);
		assert_eq!(sent.fields["to"], format!("0x{}", hex::encode(bob())));
		assert!(events.iter().any(|x| x.name == "ExtrinsicSuccess"));
	});
}

#[test]
fn long_payloads_should_be_signed_by_their_hash() {
	on_chain(|| {
		let call = metadata()
			.call("System", "remark", &[arg(&vec![1u8; 1000])])
			.unwrap();
		let bytes = sign(&metadata(), &alice(), &call, &context()).unwrap();
		assert!(apply(&bytes)
			.unwrap()
			.iter()
			.any(|x| x.name == "ExtrinsicSuccess"));
	});
}

#[test]
fn a_signature_for_another_network_runtime_or_fork_should_be_refused() {
	on_chain(|| {
		let wrong = [
			Context {
				genesis: Hash::zero(),
				..context()
			},
			Context {
				spec_version: 4711,
				..context()
			},
			Context {
				transaction_version: 4711,
				..context()
			},
			Context {
				birth: (3, Hash::zero()),
				..context()
			},
		];
		for context in wrong {
			let bytes = sign(&metadata(), &alice(), &transfer(1000), &context).unwrap();
			assert!(apply(&bytes).unwrap_err().contains("BadProof"), "{context:?}");
		}
		let bytes = sign(
			&metadata(),
			&alice(),
			&transfer(1000),
			&Context {
				nonce: 1,
				..context()
			},
		)
		.unwrap();
		assert!(apply(&bytes).unwrap_err().contains("Future"));
		assert_eq!(Balances::free_balance(bob()), 0);
	});
}

#[test]
fn a_failed_call_should_be_described_with_the_name_of_its_error() {
	on_chain(|| {
		let force = metadata()
			.call(
				"Balances",
				"transfer_keep_alive",
				&[arg(&Address::Id(bob())), arg(&Compact(1u128))],
			)
			.unwrap();
		let bytes = sign(&metadata(), &alice(), &force, &context()).unwrap();
		let events = apply(&bytes).unwrap();
		let failed = events.iter().find(|x| x.name == "ExtrinsicFailed").unwrap();
		let (name, _) = metadata().describe_error(&failed.fields["dispatch_error"]);
		assert!(name.contains("BelowMinimum"), "{name}");
		// An error of a pallet, as events carry it.
		let error = serde_json::json!({ "Module": { "index": 77, "error": "0x02000000" } });
		let (name, docs) = metadata().describe_error(&error);
		assert_eq!(name, "Balances.InsufficientBalance");
		assert!(docs.contains("too low"), "{docs}");
	});
}

#[test]
fn account_storage_should_be_found_and_read() {
	on_chain(|| {
		let metadata = metadata();
		let (key, ty) = metadata
			.storage_key("System", "Account", &[alice().account().encode()])
			.unwrap();
		let bytes = sp_io::storage::get(&key).unwrap();
		let value = poaiw::chain::value::read_all(metadata.types(), ty, &bytes).unwrap();
		assert_eq!(poaiw::chain::value::integer(&value["data"]["free"]), Some(RICH));
		assert_eq!(
			metadata.constant("Balances", "ExistentialDeposit").unwrap(),
			10u128.encode()
		);
	});
}

#[test]
fn what_the_runtime_lacks_or_types_differently_should_be_told_before_signing() {
	let metadata = metadata();
	let reason = |result: Result<Vec<u8>, Error>| match result {
		Err(Error::Metadata { reason }) => reason,
		other => panic!("{other:?}"),
	};
	assert!(reason(metadata.call("TaskMarket", "post", &[])).contains("no pallet TaskMarket (it has System"));
	assert!(reason(metadata.call("Balances", "post", &[])).contains("no call post"));
	assert!(reason(metadata.call("Balances", "burn", &[])).contains("takes 2 arguments, this client knows 0"));
	let short = [arg(&Address::Id(bob())), vec![]];
	assert!(reason(metadata.call("Balances", "transfer_keep_alive", &short)).contains("`value` of Balances"));
	assert!(metadata.storage_key("System", "Account", &[]).is_err());
	assert!(metadata.storage_key("System", "Nothing", &[]).is_err());
	assert!(metadata.constant("System", "Nothing").is_err());
}

#[test]
fn bytes_that_are_no_metadata_or_events_should_be_errors() {
	assert!(Metadata::decode(b"").is_err());
	assert!(Metadata::decode(b"meta").is_err());
	assert!(Metadata::decode(&[0xff; 64]).is_err());
	assert!(metadata().events(&[0x04, 0x00]).is_err());
	assert!(metadata().events(&[0xff; 40]).is_err());
	assert!(metadata().events(&[0]).unwrap().is_empty());
}
