//! Words of any script, and columns read where they lie.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::DictionaryArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::LargeStringArray;
use arrow_array::StringArray;
use arrow_array::StringViewArray;
use arrow_array::types::Int8Type;

use crate::Table;
use crate::Vocabulary;
use crate::WordOptions;
use crate::testing::batch;
use crate::testing::rebatch;

fn table(array: ArrayRef) -> Table {
    Table::from(batch(&[("note", None, array)]))
}

#[test]
fn words_are_lower_case_runs_of_letters_and_digits() {
    let notes = StringArray::from(vec![
        Some("Café, CAFÉ: open 24h!"),
        None,
        Some(""),
        Some("καφέ — don't; café 東京"),
    ]);
    let table = table(Arc::new(notes));
    let column = table.require_named("note").unwrap();
    let every = WordOptions {
        min_count: 1,
        ..WordOptions::default()
    };
    let found = Vocabulary::learn(&column, &every).unwrap();
    let expected = ["24h", "café", "don", "open", "t", "καφέ", "東京"];
    assert_eq!(found.words(), expected);
    let words = found.encode(&column).unwrap();
    assert_eq!(words.n_rows(), 4);
    assert_eq!(words.row(0), [1, 1, 3, 0]);
    assert!(words.row(1).is_empty() && words.row(2).is_empty());
    assert_eq!(words.row(3), [5, 2, 4, 1, 6]);
    assert_eq!(found.code("open"), Some(3));
    assert_eq!(found.code("closed"), None);
    let frequent = Vocabulary::learn(&column, &WordOptions::default()).unwrap();
    assert_eq!(frequent.words(), ["café"]);
    let one = WordOptions {
        min_count: 1,
        max_words: 2,
    };
    let one = Vocabulary::learn(&column, &one).unwrap();
    assert_eq!(one.words(), ["24h", "café"], "ties by text");
    let text = serde_json::to_string(&one).unwrap();
    assert_eq!(text, r#"["24h","café"]"#);
    assert_eq!(serde_json::from_str::<Vocabulary>(&text).unwrap(), one);
}

#[test]
fn texts_of_every_type_in_place() {
    let words = [Some("b"), None, Some("a"), Some("b")];
    let dictionary: DictionaryArray<Int8Type> = words.into_iter().collect();
    let arrays: [ArrayRef; 4] = [
        Arc::new(StringArray::from(words.to_vec())),
        Arc::new(LargeStringArray::from(words.to_vec())),
        Arc::new(StringViewArray::from(words.to_vec())),
        Arc::new(dictionary),
    ];
    for array in arrays {
        let rows = batch(&[("note", None, array)]);
        for size in [1, 3, 9] {
            let cut = rebatch(&rows, size);
            let column = cut.require_named("note").unwrap();
            let texts: Vec<_> = column.text_iter().unwrap().collect();
            assert_eq!(texts, words);
        }
    }
    let numbers = table(Arc::new(Int64Array::from(vec![1])));
    let column = numbers.require_named("note").unwrap();
    let error = column.text_iter().err().unwrap();
    assert_eq!(error.to_string(), "expected text, found Int64");
}

#[test]
fn floats_are_not_copied() {
    let array = Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]));
    let rows = batch(&[("note", None, Arc::clone(&array) as ArrayRef)]);
    let cut = rebatch(&rows, 2);
    let slices = cut.require_named("note").unwrap().float_slices().unwrap();
    assert_eq!(slices, [&[1.0, 2.0][..], &[3.0]]);
    assert_eq!(slices[0].as_ptr(), array.values().as_ptr());
    let gap = table(Arc::new(Float64Array::from(vec![Some(1.0), None])));
    assert!(gap.require_named("note").unwrap().float_slices().is_none());
    let whole = table(Arc::new(Int64Array::from(vec![1])));
    assert!(
        whole
            .require_named("note")
            .unwrap()
            .float_slices()
            .is_none()
    );
}
