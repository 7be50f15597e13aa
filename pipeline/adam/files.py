"""Analysis datasets as files: SAS transport (XPT version 5), Dataset-JSON 1.1, and define.xml 2.1."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pyreadstat

from features.documents.study import Study
from pipeline.adam.conformance import LONGEST
from pipeline.adam.specification import Dataset, Kind, Specification, Variable
from pipeline.project.files import replacing, write_text
from pipeline.sources.formats.sdtm import without_time

SAS_EPOCH = pd.Timestamp("1960-01-01")
UNDATED = "1970-01-01T00:00:00"
"""The time of writing in every file, so that equal content gives equal bytes."""
DATE_FORMAT = "DATE9."
SIMULATED = "SIMULATED "
JSON_TYPES: dict[Kind, str] = {"text": "string", "integer": "integer", "float": "double", "date": "date"}
ODM = "http://www.cdisc.org/ns/odm/v1.3"
DEFINE = "http://www.cdisc.org/ns/def/v2.1"
XLINK = "http://www.w3.org/1999/xlink"


def write_datasets(
    frames: Mapping[str, pd.DataFrame], specification: Specification, study: Study, out: Path
) -> None:
    """Write every dataset as NAME.xpt and NAME.json, and define.xml, into a folder.

    Of a simulated study every label of a dataset, and the study's description, begin with that word.
    """
    out.mkdir(parents=True, exist_ok=True)
    word = SIMULATED if study.simulated else ""
    datasets = {
        name: replace(
            specification.datasets[name], label=_shortened(word + specification.datasets[name].label)
        )
        for name in frames
    }
    identifier = study.name.upper()
    for name, frame in frames.items():
        dataset = datasets[name]
        write_transport(frame, name, dataset, out / f"{name.lower()}.xpt")
        content = _dataset_json(frame, name, dataset, identifier)
        write_text(out / f"{name.lower()}.json", json.dumps(content, allow_nan=False) + "\n")
    write_text(out / "define.xml", define_xml(frames, datasets, identifier, word + study.title))


def _shortened(label: str) -> str:
    """Return as many whole words as a label has room for."""
    while len(label) > LONGEST["label"]:
        label = label.rpartition(" ")[0]
    return label


def write_transport(frame: pd.DataFrame, name: str, dataset: Dataset, path: Path) -> None:
    """Write a SAS transport file of version 5; dates as days since 1960 in the format DATE9."""
    columns = {
        variable: _sas_column(frame[variable], described.type)
        for variable, described in dataset.variables.items()
    }
    dates = [variable for variable, described in dataset.variables.items() if described.type == "date"]
    with replacing(path) as new:
        pyreadstat.write_xport(
            pd.DataFrame(columns),
            new,
            file_label=dataset.label,
            column_labels=[described.label for described in dataset.variables.values()],
            table_name=name,
            file_format_version=5,
            variable_format=dict.fromkeys(dates, DATE_FORMAT),
        )
        without_time(new)


def _sas_column(values: pd.Series, kind: Kind) -> pd.Series:
    if kind == "text":
        return values.astype("object").where(values.notna(), "").astype("str")
    if kind == "date":
        return (pd.to_datetime(values) - SAS_EPOCH).dt.days.astype("float64")
    return values.astype("float64")


def _dataset_json(frame: pd.DataFrame, name: str, dataset: Dataset, study: str) -> dict[str, object]:
    cells = {
        variable: _json_column(frame[variable], described.type)
        for variable, described in dataset.variables.items()
    }
    return {
        "datasetJSONCreationDateTime": UNDATED,
        "datasetJSONVersion": "1.1.0",
        "studyOID": study,
        "itemGroupOID": f"IG.{name}",
        "records": len(frame),
        "name": name,
        "label": dataset.label,
        "columns": [_json_variable(name, v, described) for v, described in dataset.variables.items()],
        "rows": [list(row) for row in zip(*cells.values(), strict=True)],
    }


def _json_variable(dataset: str, name: str, described: Variable) -> dict[str, object]:
    column: dict[str, object] = {
        "itemOID": f"IT.{dataset}.{name}",
        "name": name,
        "label": described.label,
        "dataType": JSON_TYPES[described.type],
    }
    if described.type == "date":
        column |= {"targetDataType": "integer", "displayFormat": DATE_FORMAT}
    return column


def _json_column(values: pd.Series, kind: Kind) -> list[object]:
    if kind == "date":
        values = pd.to_datetime(values).dt.strftime("%Y-%m-%d")
    if kind in {"date", "text"}:
        return [None if pd.isna(text) else str(text) for text in values]
    numbers = values.astype("float64")
    return [None if np.isnan(x) else int(x) if kind == "integer" else float(x) for x in numbers]


def define_xml(
    frames: Mapping[str, pd.DataFrame], datasets: Mapping[str, Dataset], study: str, title: str
) -> str:
    """Return define.xml 2.1: datasets, variables with label, type, length, keys, and where they come from."""
    for prefix, space in {"": ODM, "def": DEFINE, "xlink": XLINK}.items():
        ET.register_namespace(prefix, space)
    root = ET.Element(
        _q(ODM, "ODM"),
        {
            "FileOID": f"{study}.define",
            "FileType": "Snapshot",
            "ODMVersion": "1.3.2",
            "CreationDateTime": UNDATED,
            _q(DEFINE, "Context"): "Other",
        },
    )
    study_element = ET.SubElement(root, _q(ODM, "Study"), {"OID": study})
    told = ET.SubElement(study_element, _q(ODM, "GlobalVariables"))
    for tag, text in {"StudyName": study, "StudyDescription": title, "ProtocolName": study}.items():
        ET.SubElement(told, _q(ODM, tag)).text = text
    version = ET.SubElement(
        study_element,
        _q(ODM, "MetaDataVersion"),
        {"OID": "MDV.ADAM", "Name": "ADaM", _q(DEFINE, "DefineVersion"): "2.1.0"},
    )
    standards = ET.SubElement(version, _q(DEFINE, "Standards"))
    ET.SubElement(
        standards,
        _q(DEFINE, "Standard"),
        {"OID": "STD.1", "Name": "ADaMIG", "Type": "IG", "Version": "1.3", "Status": "Final"},
    )
    for name, dataset in datasets.items():
        _group(version, name, dataset)
    for name, dataset in datasets.items():
        for variable, described in dataset.variables.items():
            _item(version, f"{name}.{variable}", variable, described, frames[name][variable])
    for name, dataset in datasets.items():
        for variable, described in dataset.variables.items():
            _method(version, f"{name}.{variable}", described)
    for name in datasets:
        leaf = ET.SubElement(
            version,
            _q(DEFINE, "leaf"),
            {"ID": f"LF.{name}", _q(XLINK, "href"): f"{name.lower()}.xpt"},
        )
        ET.SubElement(leaf, _q(DEFINE, "title")).text = f"{name.lower()}.xpt"
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _q(space: str, tag: str) -> str:
    return f"{{{space}}}{tag}"


def _described(parent: ET.Element, text: str) -> None:
    description = ET.SubElement(parent, _q(ODM, "Description"))
    attributes = {"{http://www.w3.org/XML/1998/namespace}lang": "en"}
    ET.SubElement(description, _q(ODM, "TranslatedText"), attributes).text = text


def _group(version: ET.Element, name: str, dataset: Dataset) -> None:
    group = ET.SubElement(
        version,
        _q(ODM, "ItemGroupDef"),
        {
            "OID": f"IG.{name}",
            "Name": name,
            "SASDatasetName": name,
            "Repeating": "No" if dataset.keys[-1] == "USUBJID" else "Yes",
            "IsReferenceData": "No",
            "Purpose": "Analysis",
            _q(DEFINE, "Structure"): f"One record per {', '.join(dataset.keys[1:])}",
            _q(DEFINE, "StandardOID"): "STD.1",
            _q(DEFINE, "ArchiveLocationID"): f"LF.{name}",
        },
    )
    _described(group, dataset.label)
    for order, (variable, described) in enumerate(dataset.variables.items(), 1):
        reference = {
            "ItemOID": f"IT.{name}.{variable}",
            "OrderNumber": str(order),
            "Mandatory": "Yes" if described.required else "No",
            "MethodOID": f"MT.{name}.{variable}",
        }
        if variable in dataset.keys:
            reference["KeySequence"] = str(dataset.keys.index(variable) + 1)
        ET.SubElement(group, _q(ODM, "ItemRef"), reference)
    ET.SubElement(group, _q(DEFINE, "Class"), {"Name": dataset.structure})


def _item(version: ET.Element, oid: str, name: str, described: Variable, values: pd.Series) -> None:
    attributes = {"OID": f"IT.{oid}", "Name": name, "SASFieldName": name}
    attributes |= dict(_type(described.type, values))
    item = ET.SubElement(version, _q(ODM, "ItemDef"), attributes)
    _described(item, described.label)
    ET.SubElement(item, _q(DEFINE, "Origin"), {"Type": "Derived"})


def _type(kind: Kind, values: pd.Series) -> Iterator[tuple[str, str]]:
    yield "DataType", "integer" if kind == "date" else kind
    if kind == "text":
        yield "Length", str(max([1, *values.dropna().astype("str").str.len()]))
    else:
        yield "Length", "8"
    if kind == "date":
        yield _q(DEFINE, "DisplayFormat"), DATE_FORMAT


def _method(version: ET.Element, oid: str, described: Variable) -> None:
    method = ET.SubElement(
        version, _q(ODM, "MethodDef"), {"OID": f"MT.{oid}", "Name": oid, "Type": "Computation"}
    )
    _described(method, described.source)
